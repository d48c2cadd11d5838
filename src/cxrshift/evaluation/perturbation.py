"""Deletion and insertion: how the score moves as a map's highest pixels are taken away, or alone are shown.

Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models" (BMVC 2018), section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from cxrshift_api.types import Float32Array

STEPS = 20
"""Number of shares beside the first, 0."""
SHARES: Final[NDArray[np.float64]] = (np.arange(STEPS + 1) / STEPS) ** 2
"""Shares of the pixels changed, from 0 to 1; finer where the first pixels go, for findings are small."""

_BLUR = 0.08
"""Standard deviation of the blurred baseline, as a share of the width: no finding survives it, the chest does."""


class Baseline(StrEnum):
    """What stands in place of a pixel that is not there."""

    BLURRED = "blurred"
    """What a wide blur makes of the radiograph there."""
    DARKEST = "darkest"
    """Black."""


@dataclass(frozen=True)
class Curves:
    """The score at each of SHARES: with the highest pixels deleted, and with those alone inserted."""

    deletion: NDArray[np.float64]
    """(``STEPS`` + 1,) scores in [0, 1]."""
    insertion: NDArray[np.float64]
    """(``STEPS`` + 1,) scores in [0, 1]."""

    @property
    def deletion_area(self) -> float:
        """Area under the curve over shares, in [0, 1]; the lower, the more the first pixels meant."""
        return area_under(self.deletion)

    @property
    def insertion_area(self) -> float:
        """The same of insertion, in [0, 1]; the higher, the more."""
        return area_under(self.insertion)


def area_under(curve: NDArray[np.float64]) -> float:
    """∫ ``curve`` (``STEPS`` + 1,) over shares, by trapezoids."""
    return float(np.trapezoid(curve, SHARES))


def erase(image: Float32Array, baseline: Baseline, *, darkest: float) -> Float32Array:
    """What ``image`` (S, S), in model units, becomes with every pixel taken away: (S, S), in the same units.

    ``darkest`` is a black pixel in model units.
    """
    if baseline is Baseline.DARKEST:
        return np.full_like(image, darkest)
    return np.asarray(ndimage.gaussian_filter(image, _BLUR * image.shape[1]), dtype=np.float32)


def perturb(
    score: Callable[[Tensor], NDArray[np.floating]], image: Float32Array, erased: Float32Array, heatmap: Float32Array
) -> Curves:
    """Both curves of one map. ``score`` takes (N, 1, S, S) float32 images and gives (N,) scores.

    ``image`` (S, S) and ``erased`` (S, S) are in model units. The pixels go in the order of ``heatmap`` (S, S) ≥ 0,
    highest first, equal ones row by row.
    """
    order = np.argsort(-heatmap, axis=None, kind="stable")
    counts = np.round(SHARES * order.size).astype(np.int64)
    ranks = np.empty(order.size, dtype=np.int64)
    ranks[order] = np.arange(order.size)
    changed = (ranks[None, :] < counts[:, None]).reshape(-1, 1, *heatmap.shape)
    without, alone = np.where(changed, erased, image), np.where(changed, image, erased)
    scores = score(torch.from_numpy(np.concatenate([without, alone]).astype(np.float32))).astype(np.float64)
    return Curves(*np.split(scores, 2))
