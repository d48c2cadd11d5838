"""Pulmonary vessels: trees that branch from the hila and thin out towards the pleura."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import LEFT, RIGHT, Anatomy
from .canvas import Array, Canvas, splat

_WIDTHS = (0.030, 0.020, 0.013, 0.009, 0.007)
_DENSITIES = (0.10, 0.085, 0.075, 0.06, 0.05)


@dataclass(frozen=True)
class _Twigs:
    """Branches of one generation: ``tips`` (B, 2) and ``angles`` (B,) where they end, ``sides`` (B,)."""

    tips: NDArray[np.float64]
    angles: NDArray[np.float64]
    sides: NDArray[np.float64]


def draw_vessels(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas) -> Array:
    """Attenuation (S, S) of the vessels of both lungs; it also runs outside them, where no air shows it."""
    twigs = _hila(rng, anatomy)
    total = np.zeros_like(canvas.x)
    for width, density in zip(_WIDTHS, _DENSITIES, strict=True):
        twigs, points, spacing = _grow(rng, twigs, length=0.11 + 2.6 * width)
        spread = max(width * 0.5, 0.45 * canvas.pixel)
        ridge = splat(canvas, points, spacing, spread) * (width * 0.5 / spread)
        total += density * np.minimum(ridge, 1.6)
    return total


def _hila(rng: np.random.Generator, anatomy: Anatomy) -> _Twigs:
    """Roots at the hila, fanned up, out and down; the left hilum is a little higher."""
    tips, angles, sides = [], [], []
    for side, height in ((RIGHT, 0.70), (LEFT, 0.66)):
        for angle in np.linspace(-1.15, 1.35, 7) + rng.uniform(-0.12, 0.12, 7):
            tips.append((side * (anatomy.mediastinum + 0.03), anatomy.apex + height + 0.05 * angle))
            angles.append(angle)
            sides.append(side)
    return _Twigs(np.array(tips), np.array(angles), np.array(sides, dtype=np.float64))


def _grow(
    rng: np.random.Generator, twigs: _Twigs, length: float
) -> tuple[_Twigs, NDArray[np.float64], NDArray[np.float64]]:
    """One generation: each twig bends a little, then forks in two. Returns the forks, (P, 2) points, (P,) lengths."""
    count, steps = len(twigs.angles), 24
    lengths = length * rng.uniform(0.7, 1.3, count)
    bends = rng.normal(0.0, 0.25, count)
    t = (np.arange(steps) + 0.5) / steps
    angles = twigs.angles[:, None] + bends[:, None] * t
    step = lengths[:, None] / steps
    x = twigs.tips[:, :1] + twigs.sides[:, None] * np.cumsum(np.cos(angles) * step, axis=1)
    y = twigs.tips[:, 1:] + np.cumsum(np.sin(angles) * step, axis=1)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    fork = rng.uniform(0.18, 0.50, count)
    ends = np.stack([x[:, -1], y[:, -1]], axis=1)
    children = _Twigs(
        np.repeat(ends, 2, axis=0),
        np.stack([angles[:, -1] - fork, angles[:, -1] + fork * rng.uniform(0.4, 1.0, count)], axis=1).ravel(),
        np.repeat(twigs.sides, 2),
    )
    return children, points, np.repeat(lengths / steps, steps)
