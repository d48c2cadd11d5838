"""The drawing surface: posed coordinates, antialiased edges, strokes and smooth noise at any resolution.

Anatomical coordinates: x from -1 (the patient's right, left in the picture) to 1, y from -1 (top) to 1 (bottom).
Everything is drawn from them, so that a phantom looks the same at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Point = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """How the patient stands before the detector, in anatomical units."""

    angle: float = 0.0
    """Turn in radians, clockwise in the picture."""
    shift_x: float = 0.0
    """Shift to the right of the picture."""
    shift_y: float = 0.0
    """Shift downwards."""
    zoom: float = 1.0
    """Enlargement, > 0: 1 = none."""


@dataclass(frozen=True)
class Canvas:
    """``x`` and ``y`` (S, S) float32: anatomical coordinates of every pixel."""

    size: int
    """S: pixels along each side."""
    pose: Pose
    """How the patient stands."""
    x: Array
    y: Array
    pixel: float
    """Width of a pixel in anatomical units."""

    @classmethod
    def posed(cls, size: int, pose: Pose) -> Canvas:
        """A canvas of ``size`` pixels a side on which the anatomy is rotated, shifted and zoomed."""
        axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
        u, v = (axis[None, :] - pose.shift_x) / pose.zoom, (axis[:, None] - pose.shift_y) / pose.zoom
        cos, sin = np.cos(pose.angle), np.sin(pose.angle)
        x = (cos * u + sin * v).astype(np.float32)
        y = (-sin * u + cos * v).astype(np.float32)
        return cls(size, pose, x, y, 2.0 / (size * pose.zoom))

    def cover(self, inside: Array, softness: float = 0.0) -> Array:
        """Coverage (S, S) in [0, 1] of a shape of signed depth ``inside`` (S, S), > 0 within; antialiased or softer.

        ``softness`` is the width of its border in anatomical units.
        """
        width = max(softness, self.pixel)
        t = np.clip(inside / width + 0.5, 0.0, 1.0)
        return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """``points`` (P, 2), anatomical (x, y), to (P, 2) fractional (row, column) in units of pixels from 0."""
        cos, sin = np.cos(self.pose.angle), np.sin(self.pose.angle)
        u = (cos * points[:, 0] - sin * points[:, 1]) * self.pose.zoom + self.pose.shift_x
        v = (sin * points[:, 0] + cos * points[:, 1]) * self.pose.zoom + self.pose.shift_y
        scale = self.size / 2.0
        return np.stack([(v + 1.0) * scale - 0.5, (u + 1.0) * scale - 0.5], axis=1)


def ellipse(canvas: Canvas, centre: Point, radii: Point, angle: float = 0.0) -> Array:
    """Approximate signed depth (S, S), > 0 within, of an ellipse turned clockwise by ``angle`` radians."""
    dx, dy = canvas.x - centre[0], canvas.y - centre[1]
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = (cos * dx + sin * dy) / radii[0], (cos * dy - sin * dx) / radii[1]
    return np.asarray((1.0 - np.sqrt(a * a + b * b)) * min(radii), dtype=np.float32)


def box(canvas: Canvas, centre: Point, radii: Point, corner: float, angle: float) -> Array:
    """Signed depth (S, S), > 0 within, of a box with rounded corners, turned clockwise by ``angle`` radians.

    ``corner`` is their radius in anatomical units.
    """
    dx, dy = canvas.x - centre[0], canvas.y - centre[1]
    cos, sin = np.cos(angle), np.sin(angle)
    a = np.abs(cos * dx + sin * dy) - (radii[0] - corner)
    b = np.abs(cos * dy - sin * dx) - (radii[1] - corner)
    outside = np.hypot(np.maximum(a, 0.0), np.maximum(b, 0.0))
    return np.asarray(corner - outside - np.minimum(np.maximum(a, b), 0.0), dtype=np.float32)


def smooth_curve(points: Sequence[Point], count: int = 48) -> NDArray[np.float64]:
    """A Catmull-Rom curve through ``points``, sampled at about ``count`` places: (P, 2)."""
    p = np.asarray([points[0], *points, points[-1]], dtype=np.float64)
    t = np.linspace(0.0, 1.0, max(count // (len(points) - 1), 2), endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*parts, p[-1:]])


def stroke(canvas: Canvas, curve: NDArray[np.float64], reach: float) -> Array:
    """Distance (S, S) from every pixel to the polyline ``curve`` (P, 2); exact below ``reach``, no less elsewhere.

    ``reach`` is in anatomical units.
    """
    distance = np.full((canvas.size, canvas.size), reach, dtype=np.float32)
    pixels = canvas.to_pixels(curve)
    margin = reach / canvas.pixel + 1.0
    for (a, b), (start, end) in zip(pairwise(curve), pairwise(pixels), strict=True):
        low = np.maximum(np.floor(np.minimum(start, end) - margin), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(start, end) + margin) + 1, canvas.size).astype(int)
        if (low >= high).any():
            continue
        window = slice(low[0], high[0]), slice(low[1], high[1])
        dx, dy = canvas.x[window] - a[0], canvas.y[window] - a[1]
        along = b - a
        t = np.clip((dx * along[0] + dy * along[1]) / max(float(along @ along), 1e-12), 0.0, 1.0)
        np.minimum(distance[window], np.hypot(dx - t * along[0], dy - t * along[1]), out=distance[window])
    return distance


@lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> Array:
    """(size, cells + 3) weights of a cubic B-spline over ``cells`` cells."""
    t = (np.arange(size) + 0.5) / size * cells
    nodes = np.arange(-1, cells + 2)
    d = np.abs(t[:, None] - nodes[None, :])
    inner = 2.0 / 3.0 - d**2 + d**3 / 2.0
    outer = np.clip(2.0 - d, 0.0, None) ** 3 / 6.0
    return np.where(d < 1.0, inner, outer).astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Array:
    """(size, size) noise of about unit variance whose grains are 1/cells of the width; the same at every size."""
    lattice = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    weights = _interpolation(size, cells)
    return np.asarray(weights @ lattice @ weights.T * 2.0, dtype=np.float32)


def splat(canvas: Canvas, points: NDArray[np.float64], weights: NDArray[np.float64], width: float) -> Array:
    """Sum (S, S) of Gaussians of standard deviation ``width``; a line of weights 1/unit has height 1.

    ``points`` (P, 2) are anatomical (x, y), ``weights`` (P,) lengths: a curve sampled every h with weights h becomes a
    ridge of height 1. ``width`` is in anatomical units.
    """
    places = canvas.to_pixels(points)
    base = np.floor(places).astype(int)
    part = places - base
    image = np.zeros(canvas.size * canvas.size)
    for row in (0, 1):
        for column in (0, 1):
            r, c = base[:, 0] + row, base[:, 1] + column
            share = np.abs(1 - row - part[:, 0]) * np.abs(1 - column - part[:, 1]) * weights
            kept = (r >= 0) & (r < canvas.size) & (c >= 0) & (c < canvas.size)
            image += np.bincount(r[kept] * canvas.size + c[kept], share[kept], canvas.size * canvas.size)
    sigma = width / canvas.pixel
    blurred = ndimage.gaussian_filter(image.reshape(canvas.size, canvas.size).astype(np.float32), sigma, truncate=3.0)
    return np.asarray(blurred * (np.sqrt(2 * np.pi) * width / canvas.pixel**2), dtype=np.float32)
