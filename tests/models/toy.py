"""A model small enough to check by hand, in the form of a model folder; a kind of its own for the loader."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshift.models.manifest import Manifest, ManifestFinding, write_manifest
from cxrshift.models.weights import Weights, fill
from cxrshift_api.types import FileDigest

SIDE = 16
FILE = "classifier.safetensors"
KINDS = {"toy": "tests.models.toy"}
MANIFEST = Manifest(
    name="toy",
    version="0.1",
    summary="Linear.",
    kind="toy",
    input_size=SIDE,
    input_range=(0.0, 1.0),
    findings=(ManifestFinding("Bright"), ManifestFinding("Left", 0.25), ManifestFinding("Unknown", trained=False)),
    files=(FileDigest(FILE, "0" * 64),),
    networks={"classifier": {"outputs": 3}},
)


class Halves(nn.Module):
    """The latent is the image at half resolution; each score is the sigmoid of a weighted sum of pixels."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__()
        self.findings = findings
        self.classifier = nn.Linear(SIDE * SIDE, len(findings))

    def encode(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, 2)

    def decode(self, latents: Tensor) -> Tensor:
        return functional.interpolate(latents, scale_factor=2.0)

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.classifier(images.flatten(1)))


def build(manifest: Manifest, weights: Weights) -> Halves:
    networks = Halves(tuple(finding.name for finding in manifest.findings))
    fill(networks.classifier, weights[FILE], source=FILE)
    return networks


def toy_tensors() -> dict[str, Tensor]:
    pixels = torch.linspace(-1.0, 1.0, 3 * SIDE * SIDE).reshape(3, SIDE * SIDE)
    return {"weight": pixels, "bias": torch.tensor([0.5, -0.5, 0.0])}


def write_toy(folder: Path, manifest: Manifest = MANIFEST, tensors: Mapping[str, Tensor] | None = None) -> Path:
    """A model folder whose manifest has the right digest of the weights written beside it."""
    folder.mkdir(parents=True)
    content = safetensors.torch.save(dict(toy_tensors() if tensors is None else tensors))
    (folder / FILE).write_bytes(content)
    digest = FileDigest(FILE, hashlib.sha256(content).hexdigest())
    write_manifest(replace(manifest, files=(digest,)), folder)
    return folder
