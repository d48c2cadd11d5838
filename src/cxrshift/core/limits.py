"""Where a quality card begins to warn. Needs no torch, so that a manifest can state it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QualityLimits:
    """The limits of a model's quality cards; None = that measure never warns.

    ``cxrshift train quality`` learns them from the model's own radiographs. The defaults are those of a model that
    states none: far enough out to be wrong rarely, whatever the model. How near a latent and how rich in detail a
    radiograph must be cannot be said for a model in general.
    """

    min_detail: float | None = None
    """Fine detail of the radiograph, as ``core.quality`` measures it, in [0, 1]."""
    min_ssim: float | None = 0.6
    """Of radiograph and reconstruction, in [-1, 1]."""
    max_score_gap: float | None = 0.2
    """|f(x) - f(D(E(x)))|, in [0, 1]."""
    max_distance: float | None = None
    """Of the latent from those of the training radiographs, as ``core.familiarity`` measures it; above 0."""
    min_movement: float | None = 0.1
    """The larger one of drop and rise, in [0, 1]."""
    min_monotonicity: float | None = 0.8
    """Share of steps over which the score does not fall as λ grows, in [0, 1]."""
