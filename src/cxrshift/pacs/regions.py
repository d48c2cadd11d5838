"""Where a heatmap is high, as outlines: marching squares with a straight line through each cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import Float32Array

THRESHOLD = 0.5
"""Share of the heatmap's largest value from which on a pixel belongs to a region: the full width at half maximum."""
MOST_REGIONS = 5
"""Most regions that are told of."""
SMALLEST_SHARE = 0.001
"""Of the square's area; a smaller outline is a speck, unless it holds the peak."""

_Edge = tuple[int, int, int]
"""An edge of the grid of samples: row and column of its first end, and 0 for along the row, 1 for down the column."""


@dataclass(frozen=True)
class Region:
    """One connected part of a heatmap above the threshold."""

    outline: NDArray[np.float64]
    """(N, 2) points (x, y), the last equal to the first; the heatmap's first pixel spans (0, 0) to (1, 1)."""
    peak: float
    """The largest value inside."""
    area: float
    """Enclosed share of the heatmap's area, holes included, in [0, 1]."""


def threshold_of(heatmap: Float32Array) -> float:
    """The value from which on a pixel of ``heatmap`` (S, S), ≥ 0, belongs to a region."""
    return THRESHOLD * float(heatmap.max())


def find_regions(heatmap: Float32Array) -> tuple[Region, ...]:
    """The regions of a ``heatmap`` (S, S) ≥ 0, the highest peak first; none where nothing changed.

    At most MOST_REGIONS.
    """
    if not heatmap.max() > 0:
        return ()
    padded = np.pad(heatmap.astype(np.float64), 1)  # every outline closes, along the border if it must
    regions = [_measure(loop, heatmap) for loop in _trace(padded, threshold_of(heatmap))]
    regions = [region for region in regions if region.area > 0]  # holes run the other way round
    regions.sort(key=lambda region: (-region.peak, -region.area))
    return tuple(r for i, r in enumerate(regions) if i == 0 or r.area >= SMALLEST_SHARE)[:MOST_REGIONS]


def _measure(loop: NDArray[np.float64], heatmap: Float32Array) -> Region:
    # From samples of the padded grid, at whole numbers, to pixels whose centres are at halves.
    outline = np.clip(loop - 0.5, 0, heatmap.shape[0])
    x, y = outline.T
    area = 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / heatmap.size
    return Region(outline, float(heatmap[_fill(outline, heatmap.shape)].max(initial=0.0)), area)


def _fill(outline: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels whose centres lie within ``outline``, by the even-odd rule along each row."""
    inside = np.zeros(shape, bool)
    (x0, y0), (x1, y1) = outline[:-1].T, outline[1:].T
    centres = np.arange(shape[1]) + 0.5
    for row in range(shape[0]):
        y = row + 0.5
        met = (y0 <= y) != (y1 <= y)
        crossings = np.sort(x0[met] + (y - y0[met]) * (x1[met] - x0[met]) / (y1[met] - y0[met]))
        inside[row] = np.searchsorted(crossings, centres) % 2 == 1
    return inside


def _trace(samples: NDArray[np.float64], level: float) -> list[NDArray[np.float64]]:
    """Closed loops (N, 2) of points (x, y) at ``level``, with what is above it on the right, as y runs down."""
    following = _steps(samples >= level)
    loops = []
    while following:
        edge = start = next(iter(following))
        points = []
        while True:
            points.append(_cross(samples, level, edge))
            edge = following.pop(edge)
            if edge == start:
                break
        loops.append(np.array([*points, points[0]]))
    return loops


def _steps(above: NDArray[np.bool_]) -> dict[_Edge, _Edge]:
    """For each edge of the grid that a loop crosses, the one that it crosses next.

    Around a cell, clockwise, each edge at which the samples fall below the level is joined to the edge before it at
    which they rose above it. Where two corners of a diagonal are above, the cell joins neither with the other.
    """
    corners = above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    following: dict[_Edge, _Edge] = {}
    for row, column in np.argwhere((corners > 0) & (corners < 15)).tolist():
        edges = ((row, column, 0), (row, column + 1, 1), (row + 1, column, 0), (row, column, 1))
        high = [bool(int(corners[row, column]) >> corner & 1) for corner in range(4)]
        rises = [i for i in range(4) if not high[i] and high[(i + 1) % 4]]
        for rise in rises:
            fall = next(i % 4 for i in range(rise + 1, rise + 5) if high[i % 4] and not high[(i + 1) % 4])
            following[edges[fall]] = edges[rise]
    return following


def _cross(samples: NDArray[np.float64], level: float, edge: _Edge) -> tuple[float, float]:
    row, column, down = edge
    here, there = samples[row, column], samples[row + down, column + 1 - down]
    share = float((level - here) / (there - here))
    return (column, row + share) if down else (column + share, row)
