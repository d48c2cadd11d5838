"""A model folder small enough for a test: the compact networks at their narrowest, with random weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file

from cxrshift.models.compact import AUTOENCODER_FILE, CLASSIFIER_FILE, CompactAutoencoder, CompactClassifier
from cxrshift.models.manifest import Manifest, ManifestFinding, write_manifest
from cxrshift_api.types import FileDigest


def make_model_folder(root: Path, name: str = "toy", findings: tuple[str, ...] = ("Effusion", "Mass")) -> Path:
    """``root``/``name`` with manifest and weights of 32 pixel networks."""
    folder = root / name
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    networks = {
        AUTOENCODER_FILE: CompactAutoencoder(width=8, latent=8),
        CLASSIFIER_FILE: CompactClassifier(len(findings), width=8),
    }
    digests = []
    for file, network in networks.items():
        save_file(network.state_dict(), folder / file)
        digests.append(FileDigest(file, hashlib.sha256((folder / file).read_bytes()).hexdigest()))
    manifest = Manifest(
        name=name,
        version="0.1",
        summary="Random weights.",
        kind="compact",
        input_size=32,
        input_range=(-1024.0, 1024.0),
        findings=tuple(ManifestFinding(finding) for finding in findings),
        files=tuple(digests),
        networks={"autoencoder": {"width": 8, "latent": 8}, "classifier": {"width": 8}},
    )
    write_manifest(manifest, folder)
    return folder
