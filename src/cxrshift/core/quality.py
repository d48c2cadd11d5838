"""How far an explanation can be trusted, measured on the radiograph itself: the quality card of docs/method.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxrshift_api.types import Explanation, Float32Array, QualityCard, StopReason

from ..image.radiograph import Radiograph
from .limits import QualityLimits
from .search import LambdaRange

FALL = 1e-4
"""A smaller step down is a saturated score's last digits trembling."""


def structural_similarity(first: Tensor, second: Tensor, *, data_range: float) -> float:
    """Mean SSIM, in [-1, 1], of the images ``first`` and ``second`` (H, W), float32 or float64 of span ``data_range``.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13 (2004): 11 x 11
    Gaussian window of σ = 1.5, K1 = 0.01, K2 = 0.03, over the windows that lie wholly inside the image.

    ``data_range`` is the span of their units.
    """
    kernel = _window(first.device)
    a, b = first.double(), second.double()
    maps = torch.stack([a, b, a * a, b * b, a * b])[:, None]
    rows = functional.conv2d(maps, kernel.reshape(1, 1, 1, 11))
    mean_a, mean_b, square_a, square_b, product = functional.conv2d(rows, kernel.reshape(1, 1, 11, 1))[:, 0]
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * (product - mean_a * mean_b) + c2) / (variance_a + variance_b + c2)
    return float((luminance * structure).mean())


@cache
def _window(device: torch.device) -> Tensor:
    """(11,) float64: σ = 1.5, of sum 1."""
    offsets = torch.arange(11, dtype=torch.float64, device=device) - 5
    kernel = torch.exp(-offsets.square() / (2 * 1.5**2))
    return kernel / kernel.sum()


def monotonicity(curve: Float32Array) -> float:
    """Share of neighbouring frames, in [0, 1], over which the score ``curve`` (R,), in order of λ, does not fall."""
    return float((np.diff(curve) >= -FALL).mean())


@dataclass(frozen=True)
class Likeness:
    """What of a quality card belongs to the radiograph, whatever finding is explained."""

    ssim: float
    """Structural similarity of radiograph and reconstruction, in [-1, 1]."""
    mae: float
    """Mean absolute error of the reconstruction, in model units."""
    detail: float
    """Of the radiograph, as ``fine_detail`` measures it; ≥ 0."""
    distance: float | None
    """How far the latent lies from those of the training radiographs, where 1 is the limit; None = the model says
    not."""


def compare(radiograph: Tensor, reconstruction: Tensor, *, data_range: float, distance: float | None) -> Likeness:
    """How like ``radiograph`` its ``reconstruction`` is, each (H, W) float32 in model units of span ``data_range``.

    ``data_range`` is in model units; ``distance`` is that of the latent, in units of the limit.
    """
    return Likeness(
        ssim=structural_similarity(radiograph, reconstruction, data_range=data_range),
        mae=float((radiograph - reconstruction).abs().mean(dtype=torch.float64)),
        detail=fine_detail(radiograph, data_range),
        distance=distance,
    )


def fine_detail(image: Tensor, data_range: float) -> float:
    """How much pixels differ from the mean of the 3 x 3 around them, as a share, ≥ 0, of the range.

    The standard deviation of that over ``image`` (H, W), float32 in any units; ``data_range`` is the span of these
    units. Bone edges and vessels make it; a smooth picture has none.
    """
    pixels = image.double()
    around = functional.avg_pool2d(pixels[None, None], 3, stride=1)[0, 0]
    return float((pixels[1:-1, 1:-1] - around).std(correction=0)) / data_range


def assess(
    likeness: Likeness,
    *,
    score_gap: float,
    curve: Float32Array,
    zero: int,
    gradient_norm: float,
    found: LambdaRange,
    limits: QualityLimits,
) -> QualityCard:
    """The quality card of one explanation.

    ``curve`` (R,) the finding's score on every frame, ``zero`` the index of the reconstruction among them.
    ``score_gap`` is in [0, 1], ``gradient_norm`` in score per latent unit.
    """
    card = QualityCard(
        ssim=likeness.ssim,
        mae=likeness.mae,
        score_gap=score_gap,
        drop=float(curve[zero] - curve[: zero + 1].min()),
        rise=float(curve[zero:].max() - curve[zero]),
        monotonicity=monotonicity(curve),
        gradient_norm=gradient_norm,
        warnings=(),
        distance=likeness.distance,
    )
    held_back = StopReason.PIXEL_CHANGE in (found.below.stop, found.above.stop)
    return replace(card, warnings=tuple(_warnings(card, likeness, limits, held_back)))


def repeat_doubts(explanations: tuple[Explanation, ...], radiograph: Radiograph) -> tuple[Explanation, ...]:
    """The explanations with what the radiograph's own file says against it ahead of every other warning."""
    if not radiograph.doubts:
        return explanations
    cards = [replace(e.quality, warnings=(*radiograph.doubts, *e.quality.warnings)) for e in explanations]
    return tuple(replace(e, quality=card) for e, card in zip(explanations, cards, strict=True))


def _warnings(card: QualityCard, likeness: Likeness, limits: QualityLimits, held_back: bool) -> Iterator[str]:
    """What is past its limit, in words. ``held_back`` says that a search was stopped by the change of pixels.

    That alone is no fault: a large heart cannot shrink without many pixels changing. It is where the score hardly
    moved.
    """
    if card.is_stranger:
        yield (
            "This image is unlike the radiographs that the model was trained on "
            f"({card.distance:.2f} times the largest usual distance): its scores and this explanation may mean nothing."
        )
    if _below(likeness.detail, limits.min_detail):
        yield "This image has hardly any detail: a radiograph has edges and vessels."
    if _below(card.ssim, limits.min_ssim):
        yield (
            f"The autoencoder reproduces this radiograph poorly (SSIM {card.ssim:.2f}): "
            "the frames may miss what matters."
        )
    if _above(card.score_gap, limits.max_score_gap):
        yield (
            f"The classifier scores the reconstruction {card.score_gap:.2f} away from the radiograph: "
            "the explanation is of the reconstruction."
        )
    movement = max(card.drop, card.rise)
    if _below(movement, limits.min_movement):
        why = " before too many pixels change" if held_back else ""
        yield f"The shift hardly moves the score{why} (by {movement:.2f} at most): read the heatmap with caution."
    if _below(card.monotonicity, limits.min_monotonicity):
        yield f"The score does not follow the shift (monotone over {card.monotonicity:.0%} of the steps)."


def _below(value: float, limit: float | None) -> bool:
    return limit is not None and value < limit


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit
