"""The published latentshift package, to be asked and never read from: its licence is CC BY-NC."""

from __future__ import annotations

import builtins
import importlib.util
from dataclasses import dataclass
from importlib.metadata import distribution
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

_MODULE = "latent_shift.py"


@dataclass(frozen=True)
class Answer:
    """What ``attribute`` found: ``lambdas`` (R,) ascending, the finding's own ``scores`` (R,), ``frames`` (R, H, W)."""

    lambdas: NDArray[np.float64]
    scores: NDArray[np.float64]
    frames: NDArray[np.float32]


class Published:
    """Its class LatentShift for one classifier and one autoencoder, as its documentation shows it."""

    def __init__(self, classifier: nn.Module, autoencoder: nn.Module) -> None:
        self._method = load_published()(classifier, autoencoder)

    def attribute(self, image: Tensor, column: int) -> Answer:
        """By its own defaults, but silent, and without a second sigmoid: the classifier's scores are calibrated."""
        (found,) = self._method.attribute(image, column, apply_sigmoid=False, verbose=False, return_dicts=True)
        lambdas, scores, frames = (np.asarray(found[key]) for key in ("lambdas", "preds", "generated_images"))
        return Answer(lambdas, scores.ravel(), frames.reshape(-1, *frames.shape[-2:]))


def load_published() -> Any:
    """The class LatentShift. Raises PackageNotFoundError where requirements-oracles.lock is not installed.

    The one module is loaded by its path: importing the package needs a version of pytorch-lightning that nothing else
    here could bear.
    """
    path = next(file.locate() for file in distribution("latentshift").files or () if file.name == _MODULE)
    spec = importlib.util.spec_from_file_location("published_latent_shift", str(path))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a module")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # It calls float() on arrays of one element, which numpy 2.4 refuses.
    module.float = lambda value: builtins.float(value.item() if hasattr(value, "item") else value)
    return module.LatentShift
