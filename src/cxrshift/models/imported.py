"""Your own networks as a model: a classifier and an autoencoder from files in an exchange format.

[networks.encoder]      file = "encoder.pt2"
[networks.decoder]      file = "decoder.pt2"
[networks.classifier]   file = "classifier.onnx"; and what ``imported_bridge.Bridge`` lists: output, input_size, ...

Instead of encoder and decoder, ``[networks.autoencoder]`` with ``kind`` (compact or xrv), ``file`` (safetensors) and
that kind's own arguments reuses the autoencoder of another model. ``batch`` in a file's table says that it runs only
with that many rows; without it, what the file itself states holds. Of the formats, ``torch.export`` and ONNX files are
data; TorchScript is code (``imported_script`` says what it can do). Every file is hashed before it is parsed, and the
bytes that were hashed are those that are parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from torch import Tensor, nn

from ..errors import ManifestError, MethodError, WeightsError
from .imported_autoencoders import Autoencoder, ImportedAutoencoder, Part, build_reused
from .imported_bridge import Bridge, read_bridge
from .imported_formats import SUFFIXES, read_network
from .imported_network import Shape
from .manifest import Manifest, NetworkArgument
from .weights import SUFFIX, read_checked

Contents = Mapping[str, bytes]
"""Each file's name and its checked content."""

_ROLES: Final = ({"encoder", "decoder", "classifier"}, {"autoencoder", "classifier"})
_PLAIN: Final = frozenset({"file", "batch"})
_MAX_BATCH: Final = 256


class ImportedNetworks(nn.Module):
    """A classifier behind its bridge, and an autoencoder: a LatentModel."""

    def __init__(self, manifest: Manifest, autoencoder: nn.Module, classifier: Part, bridge: Bridge) -> None:
        super().__init__()
        self.findings = tuple(finding.name for finding in manifest.findings)
        self.autoencoder = autoencoder
        self.classifier_module = classifier.network.module
        self.classifier = classifier
        self.bridge = bridge
        self._range = manifest.input_range

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in model units to latents (N, ...) float32."""
        return cast(Autoencoder, self.autoencoder).encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """``latents`` (N, ...) float32 to images (N, 1, S, S) float32 in model units."""
        return cast(Autoencoder, self.autoencoder).decode(latents)

    def pictures(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in model units to what the classifier is given.

        That is (N, channels, size, size) float32.
        """
        return self.bridge.pictures(images, self._range)

    def score(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in model units to probabilities (N, F) float32."""
        return self.bridge.probabilities(self.classifier(self.pictures(images)))


def read(folder: Path, manifest: Manifest) -> Contents:
    """Every file that the manifest names. Raises WeightsError for a wrong SHA-256 or a suffix that is not taken."""
    for file in manifest.files:
        if Path(file.name).suffix not in (*SUFFIXES, SUFFIX):
            raise WeightsError(f"{file.name} must be one of {', '.join((*SUFFIXES, SUFFIX))}.")
    return MappingProxyType({file.name: read_checked(folder, file) for file in manifest.files})


def build(manifest: Manifest, contents: Contents) -> ImportedNetworks:
    """The networks that the manifest describes. Raises ManifestError, WeightsError or MethodError."""
    tables = manifest.networks
    if set(tables) not in _ROLES:
        raise ManifestError(
            "manifest.toml: networks must hold classifier, and either encoder and decoder or autoencoder; no other."
        )
    _check_files(manifest, contents)
    side = manifest.input_size
    if "autoencoder" in tables:
        source = _file(tables, "autoencoder", contents)
        autoencoder = build_reused(manifest, tables["autoencoder"], source=source, content=contents[source])
    else:
        encoder = _part(tables, "encoder", contents)
        _check_takes(encoder, (None, 1, side, side), "its input_size is that of the manifest")
        autoencoder = ImportedAutoencoder(encoder, _part(tables, "decoder", contents))
    bridge = read_bridge(tables["classifier"])
    classifier = _part(tables, "classifier", contents, further=frozenset(Bridge.__dataclass_fields__))
    own_side = bridge.input_size or side
    _check_takes(
        classifier, (None, bridge.channels, own_side, own_side), "set networks.classifier's channels and input_size"
    )
    return ImportedNetworks(manifest, autoencoder, classifier, bridge)


def _part(
    tables: Mapping[str, Mapping[str, NetworkArgument]],
    role: str,
    contents: Contents,
    *,
    further: frozenset[str] = frozenset(),
) -> Part:
    table = tables[role]
    if odd := sorted(set(table) - _PLAIN - further):
        raise ManifestError(f"manifest.toml: networks.{role}.{odd[0]} is not an argument that this version knows.")
    batch = table.get("batch", 1)
    if type(batch) is not int or not 1 <= batch <= _MAX_BATCH:
        raise ManifestError(f"manifest.toml: networks.{role}.batch must be a whole number from 1 to {_MAX_BATCH}.")
    source = _file(tables, role, contents)
    network = read_network(source, contents[source])
    stated = network.takes[0] if network.takes else None
    if "batch" in table and stated not in (None, batch):
        raise ManifestError(f"manifest.toml: networks.{role}.batch must be {stated}, for which {source} was exported.")
    return Part(network, batch if "batch" in table else stated)


def _file(tables: Mapping[str, Mapping[str, NetworkArgument]], role: str, contents: Contents) -> str:
    name = tables[role].get("file")
    if not isinstance(name, str) or name not in contents:
        raise ManifestError(f"manifest.toml: networks.{role}.file must be one of files: {', '.join(contents)}.")
    return name


def _check_files(manifest: Manifest, contents: Contents) -> None:
    used = {_file(manifest.networks, role, contents) for role in manifest.networks}
    for file in manifest.files:
        if file.name not in used:
            raise ManifestError(f"manifest.toml: files names {file.name}, which no network of networks uses.")


def _check_takes(part: Part, given: Shape, advice: str) -> None:
    takes = part.network.takes
    if takes is None:
        return
    fits = len(takes) == len(given) and all(
        None in pair or pair[0] == pair[1] for pair in zip(takes, given, strict=True)
    )
    if not fits:
        raise MethodError(f"{part.network.source} takes {say_shape(takes)}, and is given {say_shape(given)}: {advice}.")


def say_shape(shape: Shape) -> str:
    """A shape in words; N stands for any size."""
    return f"({', '.join('N' if size is None else str(size) for size in shape)})"


def with_batch(manifest: Manifest, role: str, batch: int) -> Manifest:
    """The manifest with ``networks.<role>.batch`` set."""
    return replace(manifest, networks={**manifest.networks, role: {**manifest.networks[role], "batch": batch}})
