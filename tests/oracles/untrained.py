"""torchxrayvision's own architectures with random weights, tamed so that a search takes more than a step or two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torchxrayvision as xrv
from torch import Tensor, nn

from cxrshift.core.model import Model, as_model
from cxrshift.core.passes import Passes
from cxrshift.core.shift import Shift, Stopwatch, Wanted, shift
from cxrshift.models.xrv import XrvNetworks
from cxrshift_api.types import ExplainOptions


class UntrainedModel:
    """ResNetAE101 and DenseNet121, at 128 pixels rather than 224: a third of the time, every layer the same.

    The untrained decoder's few thousandths are scaled so that ``image``'s reconstruction reaches 1024, and the logits
    by ``sharpness``, around those of the reconstruction, which are set to run from 0.5 to 3.
    """

    input_size = 128
    input_range = (-1024.0, 1024.0)
    findings = tuple(f"F{i}" for i in range(18))

    def __init__(
        self, seed: int, image: Tensor, *, sharpness: float, blocks: tuple[int, ...] = (6, 12, 24, 16)
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.autoencoder = xrv.autoencoders.ResNetAE(None).eval().requires_grad_(False)
            self.autoencoder.weights = None  # its repr asks for it
            self.classifier = xrv.models.DenseNet(
                weights=None, op_threshs=torch.full((18,), 0.4), block_config=blocks
            ).eval()
        self.classifier.requires_grad_(False)
        paint = 1024.0 / self.decode(self.encode(image)).abs().max()
        self.autoencoder.conv1_1.weight *= paint
        head = self.classifier.classifier
        head.weight *= sharpness / paint
        logits = head(self.classifier.features2(self.decode(self.encode(image))))[0]
        head.bias += torch.linspace(0.5, 3.0, 18) - logits

    def encode(self, images: Tensor) -> Tensor:
        return self.autoencoder.encode(images)  # type: ignore[no-any-return]

    def decode(self, latents: Tensor) -> Tensor:
        size = [len(latents), 1, self.input_size, self.input_size]
        return self.autoencoder.decode(latents, size)  # type: ignore[no-any-return]

    def score(self, images: Tensor) -> Tensor:
        return self.classifier(images)  # type: ignore[no-any-return]


def served(model: UntrainedModel) -> Model:
    """The same networks, weights shared, as this project serves them."""
    networks = XrvNetworks(
        model.findings,
        autoencoder=model.autoencoder,
        classifier=nn.Sequential(
            model.classifier.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.classifier.classifier
        ),
        thresholds=model.classifier.op_threshs,
        image_size=model.input_size,
        classifier_size=model.input_size,
    )
    return replace(as_model(networks), spec=as_model(model).spec)


def chest_like_image() -> Tensor:
    """(1, 1, 128, 128) in model units: a soft bright middle under stripes."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    grey = 0.2 + 0.5 * np.exp(-2 * (x**2 + y**2)) * (1 + 0.2 * np.sin(20 * x))
    return torch.from_numpy((grey * 2048 - 1024).astype(np.float32))[None, None]


def shift_by_engine(model: UntrainedModel | Model, image: Tensor, column: int, options: ExplainOptions) -> Shift:
    """One finding's shift by the engine, in full precision."""
    whole: Model = as_model(model)
    passes = Passes(whole)
    wanted = [Wanted(0, column, options)]
    darkest = whole.spec.input_range[0]
    ((_, shifted),) = shift(passes, passes.encode(image), wanted, darkest=darkest, budget=256, watch=Stopwatch())
    assert isinstance(shifted, Shift)
    return shifted
