"""Values that a shell completes: models and findings from their manifests, without torch or numpy."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from ..defaults import DEFAULT_MODEL

Completion = tuple[str, str]
"""A value, and a word about it for shells that show one."""


def complete_models(incomplete: str) -> list[Completion]:
    """Installed models by name; a folder, written ./FOLDER, is left to the shell."""
    from ..models.folders import known_models

    found = ((folder.name, str(read(folder).get("summary", ""))) for folder in known_models())
    return [(name, summary) for name, summary in found if name.startswith(incomplete)]


def complete_runtimes(incomplete: str) -> list[str]:
    """What may run networks, without the empty name that stands for the model's own choice."""
    from .options import RUNTIMES

    return [name for name in RUNTIMES if name.startswith(incomplete)]


def complete_precisions(incomplete: str) -> list[str]:
    """Of networks' products, likewise."""
    from .options import PRECISIONS

    return [name for name in PRECISIONS if name.startswith(incomplete)]


def complete_findings(context: typer.Context, incomplete: str) -> list[Completion]:
    """The findings that the chosen model was trained on, by default those of the default model."""
    manifest = read(model_folder(str(context.params.get("model") or "") or DEFAULT_MODEL))
    given = context.params.get("finding") or ()
    names = [name for name in trained_findings(manifest) if name not in given]
    return [(quoted(name), "") for name in names if name.startswith(incomplete)]


def model_folder(name: str) -> Path | None:
    """The folder of an installed model, or the folder itself where one is written."""
    from ..models.folders import known_models

    if "/" in name or os.sep in name:
        return Path(name)
    return next((folder for folder in known_models() if folder.name == name), None)


def read(folder: Path | None) -> Mapping[str, Any]:
    """A manifest as it stands; empty where it cannot be read: a shell has nowhere to say why."""
    from ..models.names import FILE_NAME

    if folder is None:
        return {}
    try:
        return tomllib.loads((folder / FILE_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def trained_findings(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The names of the findings that may be explained."""
    rows = manifest.get("findings", ())
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("trained", True) and isinstance(row.get("name"), str):
            yield row["name"]


def quoted(value: str) -> str:
    """As the shell that asks wants a blank written: bash puts the value on its line as it comes."""
    asked_by_bash = os.environ.get("_CXRSHIFT_COMPLETE") == "complete_bash"
    return value.replace(" ", r"\ ") if asked_by_bash else value
