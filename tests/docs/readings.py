"""Blocks that are data: each is parsed, and a file's content is read by what reads that file."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from cxrshift.config import Settings
from cxrshift.models.manifest import parse_manifest
from cxrshift.pacs.bridge.settings import load_settings
from tests.docs.blocks import ROOT, Block

_DIGEST = "<64 hexadecimal digits>"


def read_toml(block: Block, folder: Path) -> None:
    """It is TOML; a bridge's file or a model's manifest is one that the program takes."""
    tomllib.loads(block.text)
    match block.marks.get("file"):
        case "bridge.toml":
            file = folder / "bridge.toml"
            file.write_text(block.text, "utf-8")
            load_settings(file)
        case "manifest.toml":
            parse_manifest(block.text.replace(_DIGEST, "0" * 64).encode())


def read_dockerfile(block: Block, folder: Path) -> None:
    """Its instructions are Docker's, its base is built here, and its variables are the gateway's or the workers'."""
    for line in block.text.splitlines():
        word, _, rest = line.partition(" ")
        assert word in ("FROM", "COPY", "ENV", "RUN", "USER", "CMD"), line
        if word == "FROM":
            assert rest.split(":")[0] == "cxrshift", line
        if word == "ENV":
            assert_variable(rest.partition("=")[0])


def read_lua(block: Block, folder: Path) -> None:
    """It is the script that the archive of compose.yaml runs."""
    assert "".join(block.text.split()) in "".join((ROOT / "deploy/orthanc/route.lua").read_text("utf-8").split())


def read_python(block: Block, folder: Path) -> None:
    """It compiles."""
    ast.parse(block.text)


def assert_variable(name: str) -> None:
    """``name`` is a setting of the gateway, or stands in the code that reads it."""
    assert name in known_variables(), f"nothing reads {name}"


@cache
def known_variables() -> frozenset[str]:
    """Every variable that the code, the image, the compose file or a test reads."""
    places = [ROOT / "Dockerfile", ROOT / "compose.yaml", *_sources("src"), *_sources("handlers"), *_sources("tests")]
    named = {name for place in places for name in re.findall(r"CXRSHIFT_[A-Z_]+", place.read_text("utf-8"))}
    return frozenset(named | {f"CXRSHIFT_{field.upper()}" for field in Settings.model_fields})


def _sources(top: str) -> list[Path]:
    return [file for file in (ROOT / top).rglob("*.py") if file.parent != Path(__file__).parent]


def _read_text(block: Block, folder: Path) -> None:
    assert not re.search(r"^\s*(cxrshift|make|curl) ", block.text, re.MULTILINE), "commands stand in a block of sh"


def _read_json(block: Block, folder: Path) -> None:
    json.loads(block.text)


def _read_yaml(block: Block, folder: Path) -> None:
    assert list(yaml.safe_load_all(block.text))


READERS: Final[Mapping[str, Callable[[Block, Path], None]]] = {
    "dockerfile": read_dockerfile,
    "json": _read_json,
    "lua": read_lua,
    "python": read_python,
    "text": _read_text,
    "toml": read_toml,
    "yaml": _read_yaml,
}
"""How a block of each language but sh is read. A block of another language is one that nothing checks."""
