"""Your own files to a model folder of the kind ``imported``: the manifest written, everything checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cxrshift_api.types import NOTICE, FileDigest

from ..core.model import Model
from ..errors import ManifestError, ModelError
from .check import check_model
from .imported import ImportedNetworks, with_batch
from .imported_autoencoders import KINDS
from .imported_bridge import Bridge
from .imported_check import OneRowOnly, check_imported
from .imported_formats import SUFFIXES, read_network
from .loader import load_model
from .manifest import CARD_NAME, NAME_PATTERN, Manifest, ManifestFinding, NetworkArgument, read_manifest, write_manifest
from .staging import place_of, staged_folder
from .weights import read_checked

_KIND: Final = "imported"
_Tables = dict[str, dict[str, NetworkArgument]]


@dataclass(frozen=True)
class OwnAutoencoder:
    """An autoencoder in two files, and the pictures that it takes: grey, square."""

    encoder: Path
    """File of the encoder: ``.pt2``, ``.onnx``, ``.pt`` or ``.ts``."""
    decoder: Path
    """File of the decoder, likewise."""
    input_size: int | None = None
    """Pixels along each side; None = what the encoder's file states."""
    input_range: tuple[float, float] = (-1024.0, 1024.0)
    """Its units of the darkest and the brightest pixel."""


@dataclass(frozen=True)
class OwnModel:
    """What ``import_own`` makes a model of."""

    name: str
    """What the model shall be called."""
    classifier: Path
    """File of the classifier: ``.pt2``, ``.onnx``, ``.pt`` or ``.ts``."""
    autoencoder: OwnAutoencoder | Path
    """Two files, or the folder of an installed model whose autoencoder is copied."""
    findings: tuple[ManifestFinding, ...]
    """One for each output of the classifier, in order."""
    bridge: Bridge = field(default_factory=Bridge)
    """The classifier's conventions; a size and channels that its file states need not be named."""
    version: str = "1"
    """What its receipts shall say."""
    summary: str = ""
    """One line; empty = one is made up."""


@dataclass(frozen=True)
class _Autoencoder:
    """An autoencoder's share of a manifest, and its files' contents by name."""

    tables: Mapping[str, Mapping[str, NetworkArgument]]
    contents: Mapping[str, bytes]
    input_size: int
    input_range: tuple[float, float]
    origin: str


def import_own(own: OwnModel, *, out: Path | None = None) -> Path:
    """Make the model folder ``out``/``own.name`` and return it; ``out`` is by default the user's models folder.

    A model of that name that is already there is replaced, once the new one has been loaded and checked. Raises
    ModelError, of which ManifestError, WeightsError and MethodError too say what is wrong and what would be right.
    """
    if re.fullmatch(NAME_PATTERN, own.name) is None:
        raise ManifestError("The name must be 1 to 64 lower-case letters, digits, dots, underscores or hyphens.")
    autoencoder = _autoencoder(own.autoencoder)
    file = f"classifier{own.classifier.suffix}"
    if file in autoencoder.contents:
        raise ManifestError(f"The autoencoder's file is called {file}, as the classifier's would be; rename it.")
    content = _read(own.classifier)
    bridge = _completed(own.bridge, file, content)
    contents = {**autoencoder.contents, file: content}
    manifest = Manifest(
        name=own.name,
        version=own.version,
        summary=own.summary or f"{own.classifier.name} with {autoencoder.origin}.",
        kind=_KIND,
        input_size=autoencoder.input_size,
        input_range=autoencoder.input_range,
        findings=own.findings,
        files=tuple(FileDigest(name, hashlib.sha256(content).hexdigest()) for name, content in contents.items()),
        networks={**autoencoder.tables, "classifier": {"file": file, **bridge.arguments()}},
    )
    with staged_folder(own.name, out) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        (folder / CARD_NAME).write_text(_card(own, autoencoder), "utf-8")
        _write_checked(manifest, folder)
    return place_of(own.name, out)


def check_folder(folder: Path) -> Model:
    """The model of a folder, of whatever kind, loaded and checked. Raises ModelError."""
    model = load_model(folder)
    if isinstance(model.networks, ImportedNetworks):
        check_imported(model, model.networks)
    else:
        check_model(model)
    return model


def _write_checked(manifest: Manifest, folder: Path) -> None:
    """Write the manifest, with a batch of 1 for each network that turns out to need it."""
    for _ in manifest.files:
        write_manifest(manifest, folder)
        try:
            check_folder(folder)
        except OneRowOnly as error:
            manifest = with_batch(manifest, error.role, 1)
        else:
            return
    write_manifest(manifest, folder)
    check_folder(folder)


def _completed(bridge: Bridge, source: str, content: bytes) -> Bridge:
    """The bridge with the size and the channels that the file states, where it states them and nobody else does."""
    match read_network(source, content).takes:
        case (_, channels, height, width):
            if bridge.channels == 1 and channels == 3:
                bridge = replace(bridge, channels=channels)
            if bridge.input_size is None and height == width:
                bridge = replace(bridge, input_size=height)
    return bridge


def _autoencoder(source: OwnAutoencoder | Path) -> _Autoencoder:
    if isinstance(source, Path):
        return _reused(source)
    names = {role: f"{role}{path.suffix}" for role, path in (("encoder", source.encoder), ("decoder", source.decoder))}
    encoder = _read(source.encoder)
    size = source.input_size or _stated_size(names["encoder"], encoder)
    if size is None:
        raise ModelError(f"{source.encoder.name} does not state the size of its pictures: give --autoencoder-size.")
    return _Autoencoder(
        tables={role: {"file": name} for role, name in names.items()},
        contents={names["encoder"]: encoder, names["decoder"]: _read(source.decoder)},
        input_size=size,
        input_range=source.input_range,
        origin=f"{source.encoder.name} and {source.decoder.name}",
    )


def _stated_size(source: str, content: bytes) -> int | None:
    match read_network(source, content).takes:
        case (_, _, height, width) if height == width:
            return height
    return None


def _reused(folder: Path) -> _Autoencoder:
    """The autoencoder of a model folder."""
    manifest = read_manifest(folder)
    if manifest.kind == _KIND:
        tables: _Tables = {role: dict(table) for role, table in manifest.networks.items() if role != "classifier"}
    elif manifest.kind in KINDS:
        arguments = dict(manifest.networks.get("autoencoder", {}))
        if manifest.kind == "xrv":  # there is one architecture only, which has no arguments
            arguments = {}
        tables = {"autoencoder": {"kind": manifest.kind, "file": "autoencoder.safetensors", **arguments}}
    else:
        raise ManifestError(f"The autoencoder of {manifest.name} cannot be reused: its kind is {manifest.kind}.")
    used = {table.get("file") for table in tables.values()}
    contents = {file.name: read_checked(folder, file) for file in manifest.files if file.name in used}
    origin = f"the autoencoder of {manifest.name} {manifest.version}"
    return _Autoencoder(tables, contents, manifest.input_size, manifest.input_range, origin)


def _read(path: Path) -> bytes:
    if path.suffix not in SUFFIXES:
        raise ModelError(f"{path.name} must be one of {', '.join(SUFFIXES)}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}.") from error


def _card(own: OwnModel, autoencoder: _Autoencoder) -> str:
    findings = ", ".join(finding.name for finding in own.findings if finding.trained)
    low, high = autoencoder.input_range
    return f"""# {own.name}

Imported by `cxrshift models import`: the classifier `{own.classifier.name}` with {autoencoder.origin}.

- Findings: {findings}.
- Input: {autoencoder.input_size} x {autoencoder.input_size} pixels, grey, [{low:g}, {high:g}].

Say here what the classifier was trained on, how well it does, and where it must not be used. The autoencoder limits
what an explanation can show; each one carries a quality card that says how far. {NOTICE}
"""
