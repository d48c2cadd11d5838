"""torchxrayvision's own architectures at 224 pixels with random weights, tamed until a search has something to find.

Speed does not depend on what the weights are, but for one thing: how far a search goes. Random weights give pictures
of a few thousandths and scores that no shift moves, so both are scaled by what a reference radiograph makes of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import torch
import torchxrayvision as xrv
from torch import Tensor, nn

from cxrshift.core.model import LatentModel, Model
from cxrshift.image.radiograph import Radiograph
from cxrshift.models.loader import describe
from cxrshift.models.manifest import Manifest, ManifestFinding
from cxrshift.models.xrv import AUTOENCODER_FILE, CLASSIFIER_FILE, THRESHOLDS, build
from cxrshift.phantom import generate

SIZE: Final = 224
FINDINGS: Final = tuple(xrv.models.DenseNet.targets)
_RANGE: Final = (-1024.0, 1024.0)
_REFERENCE: Final = 1000
"""The phantom whose reconstruction the weights are scaled by; none that is measured."""
_OPERATING_POINT: Final = 0.4
_LOGITS: Final = (0.5, 3.0)
"""The reference's, of the first and the last finding: present, so that there is something to curtail."""


@dataclass(frozen=True)
class Untrained:
    """The library's own two networks as its users hold them: float32, in its memory format."""

    autoencoder: nn.Module
    classifier: nn.Module

    def to(self, device: str) -> Untrained:
        """The same networks on ``device``."""
        return Untrained(self.autoencoder.to(device), self.classifier.to(device))


def untrained(seed: int = 0, *, sharpness: float = 1000.0) -> Untrained:
    """ResNetAE101 and DenseNet121 whose random weights ``seed`` draws.

    The reference's reconstruction reaches 1024; ``sharpness`` scales how much a logit follows a change of the picture,
    and with it how soon a search ends.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        autoencoder = xrv.autoencoders.ResNetAE(None).eval().requires_grad_(False)
        autoencoder.weights = None  # its repr asks for it
        thresholds = torch.full((len(FINDINGS),), _OPERATING_POINT)
        classifier = xrv.models.DenseNet(weights=None, op_threshs=thresholds).eval().requires_grad_(False)
    reference = to_input(radiograph(_REFERENCE))
    with torch.no_grad():
        painted = autoencoder.decode(autoencoder.encode(reference))
        paint = 1024.0 / painted.abs().max()
        autoencoder.conv1_1.weight *= paint
        head = classifier.classifier
        head.weight *= sharpness / paint
        logits = head(classifier.features2(painted * paint))[0]
        head.bias += torch.linspace(*_LOGITS, len(FINDINGS)) - logits
    return Untrained(autoencoder, classifier)


def to_model(networks: Untrained, device: str = "cpu") -> Model:
    """The same weights in the networks that this project runs, copied: a runtime may alter their memory format."""
    manifest = Manifest(
        name="xrv-untrained",
        version="0",
        summary="torchxrayvision's architectures with random weights.",
        kind="xrv",
        input_size=SIZE,
        input_range=_RANGE,
        findings=tuple(ManifestFinding(name) for name in FINDINGS),
        files=(),
        networks={"classifier": {"architecture": "densenet121", "input_size": SIZE}},
    )
    classifier, autoencoder = _tensors(networks.classifier), _tensors(networks.autoencoder)
    classifier[THRESHOLDS] = classifier.pop("op_threshs")
    built = build(manifest, {CLASSIFIER_FILE: classifier, AUTOENCODER_FILE: autoencoder})
    frozen = cast(LatentModel, built.eval().requires_grad_(False).to(device))
    return Model(describe(manifest), frozen, device, fingerprint=_fingerprint(autoencoder, classifier))


def radiograph(seed: int) -> Radiograph:
    """A chest-like picture at the networks' own resolution, another for every seed."""
    return generate(seed, size=SIZE).to_radiograph()


def to_input(picture: Radiograph) -> Tensor:
    """(1, 1, 224, 224) in model units, as a user of the published package would make it."""
    low, high = _RANGE
    return torch.from_numpy(picture.pixels)[None, None] * (high - low) + low


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _fingerprint(*networks: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in (tensor for tensors in networks for tensor in tensors.values()):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
