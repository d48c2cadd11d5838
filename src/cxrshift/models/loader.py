"""A model folder, or the name of one, to a Model that can be explained."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import torch
from torch import nn

from ..core.familiarity import Familiarity
from ..core.limits import QualityLimits
from ..core.model import FindingSpec, LatentModel, Model, ModelSpec
from ..errors import ManifestError, MethodError, ModelError, WeightsError
from ..runtime import AUTO, fastest, with_runtime
from .folders import find_model
from .manifest import NAME_PATTERN, Manifest, read_manifest
from .reference import read_familiarity
from .weights import read_weights

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {kind: f"cxrshift.models.{kind}" for kind in ("compact", "imported", "xrv")},
)
"""For each kind of model the module whose function ``build`` makes its networks; imported when it is first needed.

``build(manifest, weights)`` returns a torch module that is a LatentModel. A kind whose files are no safetensors has
also a function ``read(folder, manifest)``, whose result ``build`` is given instead of the tensors.
"""


def load_model(
    name_or_folder: str | Path,
    *,
    device: str = "cpu",
    runtime: str = "",
    precision: str = "",
    kinds: Mapping[str, str] = KINDS,
) -> Model:
    """The model in a folder, or the installed model of that name, with its networks frozen on ``device``.

    A string that could be a model's name is one; write ``./phantom`` or a Path for a folder. ``runtime`` and
    ``precision`` are those of the manifest unless they are named here; the runtime ``auto`` is the fastest that
    ``cxrshift models build`` measured on this machine, torch where nothing was. Raises ModelError, of which
    ManifestError and WeightsError say what is wrong with the folder, and TypeError where a kind of one's own builds no
    torch module.
    """
    if isinstance(name_or_folder, str) and re.fullmatch(NAME_PATTERN, name_or_folder):
        folder = find_model(name_or_folder)
        manifest = read_manifest(folder)
        if manifest.name != name_or_folder:
            raise ManifestError(f"manifest.toml: name is {manifest.name}; its folder is called {name_or_folder}.")
    else:
        folder = Path(name_or_folder)
        manifest = read_manifest(folder)
    networks = _networks(folder, manifest, kinds)
    if networks.findings != tuple(finding.name for finding in manifest.findings):
        raise MethodError(f"The networks of {manifest.name} do not score the findings that its manifest lists.")
    _freeze(networks, device)
    familiarity = _familiarity(folder, manifest)
    model = Model(describe(manifest), networks, device, familiarity, fingerprint=_fingerprint(manifest))
    _check_reference(model)
    return _run_by(model, runtime or manifest.runtime, precision or manifest.precision)


def _run_by(model: Model, runtime: str, precision: str) -> Model:
    chosen = fastest(model, precision) if runtime == AUTO else runtime
    return model if (chosen, precision) == ("torch", "float32") else with_runtime(model, chosen, precision=precision)


def _fingerprint(manifest: Manifest) -> str:
    """The SHA-256 of what decides the networks: their kind, their arguments, the SHA-256 of every file."""
    files = sorted((file.name, file.sha256) for file in manifest.files)
    networks = {name: dict(arguments) for name, arguments in manifest.networks.items()}
    parts = [manifest.kind, manifest.input_size, manifest.input_range, files, networks]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def describe(manifest: Manifest) -> ModelSpec:
    """What the engine needs of a manifest."""
    return ModelSpec(
        name=manifest.name,
        version=manifest.version,
        summary=manifest.summary,
        input_size=manifest.input_size,
        input_range=manifest.input_range,
        findings=tuple(FindingSpec(f.name, f.operating_point, f.trained) for f in manifest.findings),
        files=manifest.files,
        limits=QualityLimits() if manifest.quality is None else manifest.quality.limits,
    )


def _networks(folder: Path, manifest: Manifest, kinds: Mapping[str, str]) -> LatentModel:
    if manifest.kind not in kinds:
        raise ManifestError(f"manifest.toml: kind must be one that this version knows: {', '.join(sorted(kinds))}.")
    module = importlib.import_module(kinds[manifest.kind])
    if manifest.quality and manifest.quality.reference:  # that file is no kind's business
        manifest = replace(manifest, files=tuple(f for f in manifest.files if f.name != manifest.quality.reference))
    weights = getattr(module, "read", read_weights)(folder, manifest)
    return cast(LatentModel, module.build(manifest, weights))


def _familiarity(folder: Path, manifest: Manifest) -> Familiarity | None:
    name = manifest.quality and manifest.quality.reference
    return next((read_familiarity(folder, file) for file in manifest.files if file.name == name), None)


def _check_reference(model: Model) -> None:
    """Refuse a reference of other latents now: with the first radiograph it would fail as a fault of this service."""
    if model.familiarity is None:
        return
    side = model.spec.input_size
    with torch.no_grad():
        numbers = model.networks.encode(torch.zeros(1, 1, side, side, device=model.device)).numel()
    if numbers != len(model.familiarity.mean):
        raise WeightsError(
            f"The reference of {model.spec.name} is of latents of {len(model.familiarity.mean)} numbers; its networks "
            f"make {numbers}. Learn it again: cxrshift train quality."
        )


def _freeze(networks: LatentModel, device: str) -> None:
    """Networks to ``device``, in evaluation mode; the method differentiates by the latent, never by a weight."""
    if not isinstance(networks, nn.Module):
        raise TypeError("a kind's build must return a torch module, so that it can be frozen and moved")
    try:
        networks.eval().requires_grad_(False).to(device)
    except (RuntimeError, AssertionError) as error:  # torch raises the latter where it was built without CUDA
        raise ModelError(f"The device {device} cannot be used on this machine; cpu always can.") from error
