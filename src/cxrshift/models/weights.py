"""Weight files: checked against the manifest, parsed without running code, put into networks without leniency."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import safetensors
import safetensors.torch
from torch import Tensor, nn

from cxrshift_api.types import FileDigest

from ..errors import WeightsError
from .manifest import Manifest

SUFFIX = ".safetensors"
_SHOWN = 3

Weights = Mapping[str, Mapping[str, Tensor]]
"""The tensors of each weight file, by the file's name and then by the tensor's."""


def read_weights(folder: Path, manifest: Manifest) -> Weights:
    """Every weight file that the manifest names, on the CPU: tensors, each of its own shape (...) and any type.

    A file is read once: the bytes that were hashed are the bytes that are parsed. Raises WeightsError.
    """
    return MappingProxyType({file.name: _read(folder, file) for file in manifest.files})


def fill(network: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Give ``network`` exactly these ``tensors``, each of its own shape (...) and any type.

    The tensors become the network's own, so that it may have been built on the meta device, where building is free.
    Names, shapes and dtypes must all agree: a cast would change the scores that the manifest's SHA-256 stands for.
    Raises WeightsError that names ``source``, the file, on any difference.
    """
    wanted = network.state_dict()
    _refuse_any(source, "lacks", [name for name in wanted if name not in tensors])
    _refuse_any(source, "holds the unknown", sorted(name for name in tensors if name not in wanted))
    wrong = [f"{n} as {_form(tensors[n])}, not {_form(w)}" for n, w in wanted.items() if _form(tensors[n]) != _form(w)]
    _refuse_any(source, "holds", wrong)
    try:
        network.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsError(f"{source} does not fit the network that the manifest describes.") from error


def read_checked(folder: Path, file: FileDigest) -> bytes:
    """The content of one file of a model folder, whatever its format. Raises WeightsError if its SHA-256 differs."""
    try:
        content = (folder / file.name).read_bytes()
    except OSError as error:
        raise WeightsError(f"{file.name}, which the manifest names, cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise WeightsError(f"{file.name} is not the file that the manifest describes: its SHA-256 differs.")
    return content


def parse_safetensors(name: str, content: bytes) -> Mapping[str, Tensor]:
    """The tensors of the file ``name``, on the CPU, each of its own shape (...) and any type. Raises WeightsError."""
    try:
        return MappingProxyType(safetensors.torch.load(content))
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{name} is no valid safetensors file.") from error


def _read(folder: Path, file: FileDigest) -> Mapping[str, Tensor]:
    if Path(file.name).suffix != SUFFIX:
        raise WeightsError(f"{file.name} must be a {SUFFIX} file: other formats can run code when they are read.")
    return parse_safetensors(file.name, read_checked(folder, file))


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _refuse_any(source: str, verb: str, faults: list[str]) -> None:
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise WeightsError(
            f"{source} does not fit the network that the manifest describes: "
            f"it {verb} {', '.join(faults[:_SHOWN])}{more}."
        )
