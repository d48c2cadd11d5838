"""One map of change from a stack of frames."""

from __future__ import annotations

from torch import Tensor

from cxrshift_api.types import HeatmapKind


def make_heatmap(frames: Tensor, reconstruction: Tensor, kind: HeatmapKind) -> Tensor:
    """A map of change, (H, W) float32 ≥ 0 in model units, from a stack of frames.

    ``frames`` (R, H, W) are x(λ), ascending in λ, and ``reconstruction`` (H, W) is x₀, both float32 in model units.

    - ``max``: max over λ of |x(λ) − x₀|, as in arXiv 2102.09475.
    - ``mean``: the mean over λ of the same.
    - ``first-to-last``: |x(λ_min) − x(λ_max)|.
    - ``integrated``: the mean of |x(λ_i) − x(λ_{i+1})| over neighbouring frames.

    The last two are those of the latentshift 0.0.6 package ("mm" and "int").
    """
    match kind:
        case HeatmapKind.MAX:
            return (frames - reconstruction).abs().amax(0)
        case HeatmapKind.MEAN:
            return (frames - reconstruction).abs().mean(0)
        case HeatmapKind.FIRST_TO_LAST:
            return (frames[0] - frames[-1]).abs()
        case HeatmapKind.INTEGRATED:
            return (frames[1:] - frames[:-1]).abs().mean(0)
