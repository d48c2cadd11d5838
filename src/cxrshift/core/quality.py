"""How far an explanation can be trusted, measured on the radiograph itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxrshift_api.types import Float32Array, QualityCard, StopReason

from .search import LambdaRange

LOW_SSIM = 0.6
HIGH_SCORE_GAP = 0.2
LOW_MOVEMENT = 0.1
LOW_MONOTONICITY = 0.8
FALL = 1e-4
"""A smaller step down is a saturated score's last digits trembling."""


def structural_similarity(first: Tensor, second: Tensor, *, data_range: float) -> float:
    """Mean SSIM of two (H, W) images, in [-1, 1].

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13 (2004):
    11 x 11 Gaussian window of σ = 1.5, K1 = 0.01, K2 = 0.03, over the windows that lie wholly inside the image.
    """
    offsets = torch.arange(11, dtype=torch.float64, device=first.device) - 5
    kernel = torch.exp(-offsets.square() / (2 * 1.5**2))
    kernel = kernel / kernel.sum()
    a, b = first.double(), second.double()
    maps = torch.stack([a, b, a * a, b * b, a * b])[:, None]
    rows = functional.conv2d(maps, kernel.reshape(1, 1, 1, 11))
    mean_a, mean_b, square_a, square_b, product = functional.conv2d(rows, kernel.reshape(1, 1, 11, 1))[:, 0]
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * (product - mean_a * mean_b) + c2) / (variance_a + variance_b + c2)
    return float((luminance * structure).mean())


def monotonicity(curve: Float32Array) -> float:
    """Share of neighbouring frames, in order of λ, over which the score does not fall, in [0, 1]."""
    return float((np.diff(curve) >= -FALL).mean())


def assess(
    *,
    radiograph: Tensor,
    reconstruction: Tensor,
    data_range: float,
    score_gap: float,
    curve: Float32Array,
    zero: int,
    gradient_norm: float,
    found: LambdaRange,
) -> QualityCard:
    """The quality card of one explanation.

    ``radiograph`` and ``reconstruction`` (H, W) in model units, whose span is ``data_range``; ``curve`` (R,) the
    finding's score on every frame, ``zero`` the index of the reconstruction among them.
    """
    similarity = structural_similarity(radiograph, reconstruction, data_range=data_range)
    drop = float(curve[zero] - curve[: zero + 1].min())
    rise = float(curve[zero:].max() - curve[zero])
    steadiness = monotonicity(curve)
    return QualityCard(
        ssim=similarity,
        mae=float((radiograph - reconstruction).abs().mean(dtype=torch.float64)),
        score_gap=score_gap,
        drop=drop,
        rise=rise,
        monotonicity=steadiness,
        gradient_norm=gradient_norm,
        warnings=tuple(_warnings(similarity, score_gap, max(drop, rise), steadiness, found)),
    )


def _warnings(ssim: float, gap: float, movement: float, steadiness: float, found: LambdaRange) -> list[str]:
    warnings = []
    if ssim < LOW_SSIM:
        warnings.append(
            f"The autoencoder reproduces this radiograph poorly (SSIM {ssim:.2f}): the frames may miss what matters."
        )
    if gap > HIGH_SCORE_GAP:
        warnings.append(
            f"The classifier scores the reconstruction {gap:.2f} away from the radiograph: "
            "the explanation is of the reconstruction."
        )
    if movement < LOW_MOVEMENT:
        warnings.append(f"The shift hardly moves the score (by {movement:.2f} at most): read the heatmap with caution.")
    if steadiness < LOW_MONOTONICITY:
        warnings.append(f"The score does not follow the shift (monotone over {steadiness:.0%} of the steps).")
    if StopReason.PIXEL_CHANGE in (found.below.stop, found.above.stop):
        warnings.append("The shift was held back because too many pixels changed.")
    return warnings
