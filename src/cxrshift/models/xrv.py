"""torchxrayvision's classifiers and its autoencoder as a LatentModel.

The released networks, without what surrounds them: no resize or warning that depends on the data, no mask that writes
in place, no activation that overwrites its input. Differentiable, and fit to be exported or captured in a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

from ..core.resize import resize
from ..errors import ManifestError, WeightsError
from .manifest import Manifest, NetworkArgument
from .releases import library
from .rowwise import rowwise
from .weights import Weights, fill

CLASSIFIER_FILE: Final = "classifier.safetensors"
AUTOENCODER_FILE: Final = "autoencoder.safetensors"
THRESHOLDS: Final = "op_threshs"
"""The tensor of operating points in the classifier's file: (F,) float32, NaN where a finding was not trained."""


class XrvNetworks(nn.Module):
    """A classifier and the autoencoder of torchxrayvision; model units are [-1024, 1024].

    ``thresholds`` (F,) float32 are operating points in [0, 1], NaN where a finding was not trained.
    """

    thresholds: Tensor

    def __init__(
        self,
        findings: tuple[str, ...],
        *,
        autoencoder: nn.Module,
        classifier: nn.Module,
        thresholds: Tensor,
        image_size: int,
        classifier_size: int,
    ) -> None:
        super().__init__()
        self.findings = findings
        self.autoencoder = autoencoder
        self.classifier = classifier
        self.image_size = image_size
        self.classifier_size = classifier_size
        self.register_buffer("thresholds", thresholds)

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in model units to latents, (N, 512, 3, 3) float32 at 224 pixels."""
        latents: Tensor = self.autoencoder.encode(images, check_resolution=False)  # type: ignore[operator]
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """``latents`` (N, ...) float32 to images (N, 1, S, S) float32 in model units."""
        size = [1, 1, self.image_size, self.image_size]
        images: Tensor = self.autoencoder.decode(latents, image_size=size)  # type: ignore[operator]
        return images

    def score(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in model units to calibrated scores (N, F) float32 in [0, 1]."""
        if self.classifier_size != self.image_size:
            images = resize(images, self.classifier_size)
        return calibrate(rowwise(torch.sigmoid, self.classifier(images)), self.thresholds)


def calibrate(probabilities: Tensor, thresholds: Tensor) -> Tensor:
    """``probabilities`` (N, F) float32 in [0, 1] to scores (N, F) float32 whose operating point is 0.5.

    ``thresholds`` (F,) float32 are in [0, 1], NaN = not trained. p / 2t below the threshold t, 1 − (1 − p) / 2(1 − t)
    from it on, and 0.5 with no gradient for an untrained finding: the numbers of torchxrayvision's ``op_norm``, by
    selection instead of writing through masks.
    """
    trained = ~torch.isnan(thresholds)
    safe = torch.where(trained, thresholds, 0.5)  # a NaN in a branch not taken would still spoil the gradient
    below = probabilities / (safe * 2)
    above = 1.0 - (1.0 - probabilities) / ((1 - safe) * 2)
    return torch.where(trained, torch.where(probabilities < safe, below, above), 0.5)


def build(manifest: Manifest, weights: Weights) -> XrvNetworks:
    """The networks of a folder that ``cxrshift models pull`` or ``import`` made.

    ``weights`` are tensors, each of its own shape (...) and float32. Raises ManifestError, WeightsError.
    """
    arguments = manifest.networks.get("classifier", {})
    make_classifier = _CLASSIFIERS.get(str(arguments.get("architecture")))
    if make_classifier is None:
        known = ", ".join(_CLASSIFIERS)
        raise ManifestError(f"manifest.toml: networks.classifier.architecture must be one of {known}.")
    tensors = dict(_file(weights, CLASSIFIER_FILE))
    thresholds = _thresholds(manifest, tensors.pop(THRESHOLDS, None))
    with torch.device("meta"):  # built without numbers: the file brings them all
        classifier = make_classifier(len(manifest.findings))
    fill(classifier, tensors, source=CLASSIFIER_FILE)
    networks = XrvNetworks(
        tuple(finding.name for finding in manifest.findings),
        autoencoder=build_autoencoder(_file(weights, AUTOENCODER_FILE), source=AUTOENCODER_FILE),
        classifier=_logits(classifier),
        thresholds=thresholds,
        image_size=manifest.input_size,
        classifier_size=_classifier_size(arguments),
    )
    _keep_inputs(networks)
    return networks


def build_autoencoder(tensors: Mapping[str, Tensor], *, source: str) -> nn.Module:
    """The released autoencoder with these ``tensors``, (...) each and float32, of the file ``source``.

    Raises WeightsError.
    """
    with torch.device("meta"):
        autoencoder: nn.Module = library("autoencoders").ResNetAE(None)
    autoencoder.weights = None  # type: ignore[assignment]  # its repr asks for it
    fill(autoencoder, tensors, source=source)
    _keep_inputs(autoencoder)
    return autoencoder


def _keep_inputs(networks: nn.Module) -> None:
    """Overwriting its input trips attribution methods that hook on an activation."""
    for module in networks.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False


def _densenet121(outputs: int) -> nn.Module:
    network: nn.Module = library("models").DenseNet(num_classes=outputs)
    return network


def _resnet50(outputs: int) -> nn.Module:
    network: nn.Module = library("models").torchvision.models.resnet50(num_classes=outputs, weights=None)
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)  # one grey channel
    return network


_CLASSIFIERS: Final[Mapping[str, Callable[[int], nn.Module]]] = MappingProxyType(
    {"densenet121": _densenet121, "resnet50": _resnet50},
)


def _logits(classifier: nn.Module) -> nn.Module:
    """The part of a filled classifier that takes images to logits; a DenseNet's own forward looks at the data."""
    parts = dict(classifier.named_children())
    if "features" not in parts:
        return classifier
    return nn.Sequential(parts["features"], nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), parts["classifier"])


def _classifier_size(arguments: Mapping[str, NetworkArgument]) -> int:
    size = arguments.get("input_size")
    if type(size) is not int or not 32 <= size <= 4096:
        raise ManifestError("manifest.toml: networks.classifier.input_size must be a whole number from 32 to 4096.")
    return size


def _file(weights: Weights, name: str) -> Mapping[str, Tensor]:
    if name not in weights:
        raise ManifestError(f"manifest.toml: files must name {name} for the kind xrv.")
    return weights[name]


def _thresholds(manifest: Manifest, thresholds: Tensor | None) -> Tensor:
    count = len(manifest.findings)
    if thresholds is None or thresholds.dtype != torch.float32 or thresholds.shape != (count,):
        raise WeightsError(f"{CLASSIFIER_FILE} must hold {THRESHOLDS}, {count} numbers of float32.")
    trained = torch.tensor([finding.trained for finding in manifest.findings])
    if not torch.equal(~torch.isnan(thresholds), trained):
        raise WeightsError(f"{CLASSIFIER_FILE}: {THRESHOLDS} must be NaN exactly where the manifest says untrained.")
    if bool(((thresholds <= 0) | (thresholds >= 1)).any()):
        raise WeightsError(f"{CLASSIFIER_FILE}: each of {THRESHOLDS} must lie between 0 and 1.")
    return thresholds
