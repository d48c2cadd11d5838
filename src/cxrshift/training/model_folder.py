"""Trained compact networks on disk: a run's autoencoder, and a model folder that serves as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor, nn

from cxrshift_api.types import FileDigest

from ..errors import ModelError
from ..models.compact import AUTOENCODER_FILE, CLASSIFIER_FILE, UNIT, CompactAutoencoder, CompactClassifier
from ..models.manifest import FILE_NAME, Manifest, ManifestFinding, NetworkArgument, read_manifest, write_manifest
from ..models.weights import fill, read_weights
from .failures import TrainingError

DESCRIPTION = "autoencoder.json"
"""Beside a run's weights: what the network is and which SHA-256 the file has."""


@dataclass(frozen=True)
class TrainedAutoencoder:
    """An autoencoder, frozen, with what is needed to build it again."""

    network: CompactAutoencoder
    side: int
    """Pixels along each side of the pictures that it was trained on."""
    arguments: Mapping[str, NetworkArgument]
    sha256: str


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier to go on from."""

    name: str
    """The model's, with its version."""
    network: CompactClassifier
    findings: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Identity:
    """How a model is called and what it says of itself."""

    name: str
    version: str
    summary: str


def write_weights(network: nn.Module, file: Path) -> FileDigest:
    """Write a network's weights as safetensors, at once; the same weights give the same bytes."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(content)
    part.replace(file)
    return FileDigest(file.name, hashlib.sha256(content).hexdigest())


def write_autoencoder(run: Path, network: CompactAutoencoder, side: int, arguments: Mapping[str, int]) -> Path:
    """Write the weights and their description into a run's folder; the path of the weights."""
    digest = write_weights(network, run / AUTOENCODER_FILE)
    text = json.dumps({"side": side, "arguments": dict(arguments), "sha256": digest.sha256}, indent=2)
    (run / DESCRIPTION).write_text(text + "\n", "utf-8")
    return run / AUTOENCODER_FILE


def read_autoencoder(folder: Path) -> TrainedAutoencoder:
    """The autoencoder of a run of ``train autoencoder``, or of a model folder of the kind compact.

    Raises TrainingError where the folder is neither, ModelError where its files are damaged.
    """
    if (folder / FILE_NAME).is_file():
        manifest, tensors, sha256 = _read_compact(folder, AUTOENCODER_FILE)
        side, arguments = manifest.input_size, dict(manifest.networks.get("autoencoder", {}))
    else:
        try:
            described = json.loads((folder / DESCRIPTION).read_bytes())
            content = (folder / AUTOENCODER_FILE).read_bytes()
            side, arguments, sha256 = int(described["side"]), dict(described["arguments"]), str(described["sha256"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(
                f"{folder.name} holds no trained autoencoder: name the folder that `train autoencoder` wrote once it "
                "was done, or a model folder of the kind compact."
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise TrainingError(f"{AUTOENCODER_FILE} is not the file that {DESCRIPTION} describes.")
        tensors = load(content)
    try:
        network = CompactAutoencoder(**arguments)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder.name} describes an autoencoder that cannot be built.") from error
    fill(network, tensors, source=AUTOENCODER_FILE)
    network.eval().requires_grad_(False)
    return TrainedAutoencoder(network, side, arguments, sha256)


def read_classifier(folder: Path) -> TrainedClassifier:
    """The classifier of a model folder of the kind compact.

    Raises TrainingError for a model of another kind, ModelError where its files are missing or damaged.
    """
    manifest, tensors, sha256 = _read_compact(folder, CLASSIFIER_FILE)
    findings = tuple(finding.name for finding in manifest.findings)
    try:
        network = CompactClassifier(len(findings), **manifest.networks.get("classifier", {}))  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder.name} describes a classifier that cannot be built.") from error
    fill(network, tensors, source=CLASSIFIER_FILE)
    return TrainedClassifier(f"{manifest.name} {manifest.version}", network, findings, sha256)


def _read_compact(folder: Path, file: str) -> tuple[Manifest, Mapping[str, Tensor], str]:
    """The manifest of a model of the kind compact, one file's tensors and its SHA-256."""
    manifest = read_manifest(folder)
    if manifest.kind != "compact":
        raise TrainingError(f"Networks to train with must be of the kind compact; {manifest.name} is {manifest.kind}.")
    sha256 = next((one.sha256 for one in manifest.files if one.name == file), "")
    tensors = read_weights(folder, manifest)
    if file not in tensors:
        raise ModelError(f"{FILE_NAME}: files must name {file}.")
    return manifest, tensors[file], sha256


def write_model(
    out: Path,
    identity: Identity,
    autoencoder: TrainedAutoencoder,
    classifier: CompactClassifier,
    classifier_arguments: Mapping[str, NetworkArgument],
    findings: Sequence[ManifestFinding],
) -> None:
    """Write weights and manifest into the folder ``out``, the manifest last."""
    files = (
        write_weights(autoencoder.network, out / AUTOENCODER_FILE),
        write_weights(classifier, out / CLASSIFIER_FILE),
    )
    manifest = Manifest(
        name=identity.name,
        version=identity.version,
        summary=identity.summary,
        kind="compact",
        input_size=autoencoder.side,
        input_range=(-UNIT, UNIT),
        findings=tuple(findings),
        files=files,
        networks={"autoencoder": autoencoder.arguments, "classifier": classifier_arguments},
    )
    write_manifest(manifest, out)
