"""The reference of a model's quality cards, as a file of its folder: what its training radiographs look like to it."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Final

import safetensors.torch
import torch

from cxrshift_api.types import FileDigest

from ..core.familiarity import Familiarity
from ..errors import WeightsError
from .weights import parse_safetensors, read_checked

REFERENCE_FILE: Final = "familiarity.safetensors"


def write_familiarity(familiarity: Familiarity, folder: Path) -> FileDigest:
    """Write the reference into a model folder; the same one gives the same bytes."""
    content = safetensors.torch.save({f.name: getattr(familiarity, f.name).contiguous() for f in fields(familiarity)})
    part = folder / (REFERENCE_FILE + ".part")
    part.write_bytes(content)
    part.replace(folder / REFERENCE_FILE)
    return FileDigest(REFERENCE_FILE, hashlib.sha256(content).hexdigest())


def read_familiarity(folder: Path, file: FileDigest) -> Familiarity:
    """The reference in a model folder. Raises WeightsError where it is altered or is none."""
    tensors = parse_safetensors(file.name, read_checked(folder, file))
    names = [f.name for f in fields(Familiarity)]
    if set(tensors) != set(names):
        raise WeightsError(f"{file.name} must hold {', '.join(names)}, and nothing else.")
    mean, basis, variances, rest = (tensors[name] for name in names)
    shaped = mean.ndim == 1 and rest.ndim == 0 and basis.shape == (*variances.shape, *mean.shape)
    if not (shaped and all(tensor.is_floating_point() for tensor in tensors.values())):
        raise WeightsError(f"{file.name} must hold floats: mean (D,), basis (k, D), variances (k,) and rest ().")
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
    if not (finite and bool((variances > 0).all()) and bool(rest > 0)):
        raise WeightsError(f"{file.name} must hold finite numbers, and variances above 0.")
    return Familiarity(mean, basis, variances, rest)
