"""Every model that is installed: its manifest, its weight files, and what runs its networks fastest here."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..defaults import DEFAULT_MODEL
from .checks import Check, State

if TYPE_CHECKING:
    from ..models.manifest import Manifest

TOPIC = "Models"
_KIND_NEEDS = {"xrv": ("torchxrayvision", "xrv")}
"""For a kind of model the package that its networks need beside torch, and the extra that brings it."""


def check_models(environment: Mapping[str, str], cache: Path) -> Iterator[Check]:
    """A check for each model of the store and of the user's own; ``cache`` holds the exports."""
    from ..models.folders import known_models, model_roots

    folders = known_models(environment)
    for folder in folders:
        yield from check_model(folder, cache)
    yield from _strays(model_roots(environment), {folder.name for folder in folders})
    if DEFAULT_MODEL not in {folder.name for folder in folders}:
        found = f"{DEFAULT_MODEL}, which cxrshift serve takes by itself, is not installed"
        yield Check(
            TOPIC, "default", State.FAIL if not folders else State.WARN, found, "pip install --force-reinstall cxrshift"
        )


def check_model(folder: Path, cache: Path) -> Iterator[Check]:
    """Whether the folder's manifest is sound and its files are those that it names; then its runtime here."""
    from ..errors import ManifestError
    from ..models.manifest import read_manifest

    try:
        manifest = read_manifest(folder)
    except ManifestError as error:
        yield Check(TOPIC, folder.name, State.FAIL, f"{folder}: {error}", "Mend manifest.toml, or install it again.")
        return
    for trouble in _file_troubles(folder, manifest):
        remedy = f"Install it again: {_way_to_get(manifest)}"
        yield Check(TOPIC, manifest.name, State.FAIL, trouble, remedy)
        return
    needs, extra = _KIND_NEEDS.get(manifest.kind, ("", ""))
    if needs and find_spec(needs) is None:
        found = f"version {manifest.version}; needs {needs}, which is not installed"
        yield Check(TOPIC, manifest.name, State.WARN, found, f"pip install 'cxrshift[{extra}]'")
        return
    trained = sum(finding.trained for finding in manifest.findings)
    files = f"{len(manifest.files)} file{'s' * (len(manifest.files) != 1)} whole"
    yield Check(TOPIC, manifest.name, State.OK, f"version {manifest.version}, {trained} findings, {files}, {folder}")
    yield _check_runtime(manifest, cache)


def fastest_here(manifest: Manifest, cache: Path) -> tuple[str, float] | None:
    """The runtime that `cxrshift models build` found fastest on this kind of processor, and its ms a row.

    Reads the records of ``runtime.choice.measure``, without torch. None where nothing was measured.
    """
    from ..models.manifest import fingerprint

    key = f"{manifest.name}-{fingerprint(manifest)[:24]}-{platform.machine().replace('_', '-').lower()}-"
    best: tuple[str, float] | None = None
    for record in sorted((cache / "speeds").glob(f"{key}*-{os.cpu_count()}.json")):
        try:
            measured = json.loads(record.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        for runtime, precision, milliseconds in measured:
            if precision == manifest.precision and (best is None or milliseconds < best[1]):
                best = (runtime, milliseconds)
    return best


def _file_troubles(folder: Path, manifest: Manifest) -> Iterator[str]:
    for file in manifest.files:
        path = folder / file.name
        try:
            with path.open("rb") as reader:
                digest = hashlib.file_digest(reader, "sha256").hexdigest()
        except OSError as error:
            yield f"{path}: {error.strerror}"
            continue
        if digest != file.sha256:
            yield f"{path} is not the file that manifest.toml describes: its SHA-256 differs"


def _check_runtime(manifest: Manifest, cache: Path) -> Check:
    name = f"{manifest.name} runs in"
    if manifest.runtime != "auto":
        return Check(TOPIC, name, State.OK, f"{manifest.runtime}, {manifest.precision}, as its manifest says")
    best = fastest_here(manifest, cache)
    if best is None:
        remedy = f"cxrshift models build {manifest.name} --out store"
        return Check(TOPIC, name, State.SKIP, "torch; nothing was measured on this machine yet", remedy)
    return Check(TOPIC, name, State.OK, f"{best[0]}, {manifest.precision}: the fastest here, {best[1]:.1f} ms a row")


def _strays(roots: Sequence[Path], known: set[str]) -> Iterator[Check]:
    """Folders that stand among the models and are none."""
    for root in roots:
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith((".", "_")) and folder.name not in known:
                found = f"{folder} holds no manifest.toml, or its name is no model's"
                yield Check(TOPIC, folder.name, State.WARN, found, "Move it elsewhere, or import the model again.")


def _way_to_get(manifest: Manifest) -> str:
    if manifest.kind == "xrv":
        return f"cxrshift models pull {manifest.name}"
    return "pip install --force-reinstall cxrshift, or cxrshift models import for one of your own"
