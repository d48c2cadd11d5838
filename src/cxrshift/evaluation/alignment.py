"""How the scores of all findings move along the path of one: counterfactual alignment (arXiv 2312.02186).

Along the path of finding c, x(λ) = D(z + λ g_c) from λ_low to λ_high, every finding j has a score s_j(λ). Of one path

    relative change   A_cj = (s_j(λ_high) − s_j(λ_low)) / (s_c(λ_high) − s_c(λ_low))
    correlation       R_cj = Pearson's r of s_j(λ) and s_c(λ) over the frames of the path

A_cj = 1 says that j moves as far as c does, 0 that it stays, below 0 that it moves against c. Both are means over
paths, with intervals over patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import Float32Array

from .intervals import Bootstrap, Interval, interval

SMALLEST_MOVE: Final = 0.1
"""Rise of c's own score below which a path shows nothing: what the others do is then divided by next to nothing."""
STILL: Final = 0.01
"""Range of a score along a path below which it stays where it is: the correlation of so little says nothing."""


_NOTHING: Final = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Path:
    """The path of ``finding`` on one radiograph.

    ``sample`` is the radiograph's name, ``group`` its patient. ``scores`` (R, F) in [0, 1] are those of every column on
    every frame, λ ascending.
    """

    sample: str
    group: str
    finding: str
    column: int
    """Index, from 0, of the finding's own column."""
    scores: Float32Array

    @property
    def changes(self) -> NDArray[np.float64]:
        """(F,) s_j(λ_high) − s_j(λ_low)."""
        low, high = self.scores[0].astype(np.float64), self.scores[-1].astype(np.float64)
        return np.asarray(high - low)

    @property
    def own_change(self) -> float:
        """s_c(λ_high) − s_c(λ_low), in [-1, 1]."""
        return float(self.changes[self.column])

    @property
    def relative(self) -> NDArray[np.float64]:
        """(F,) A_cj."""
        return np.divide(self.changes, self.own_change)

    @property
    def correlations(self) -> NDArray[np.float64]:
        """(F,) R_cj; NaN for a score that stays where it is."""
        scores: NDArray[np.float64] = self.scores.astype(np.float64)
        centred = scores - scores.mean(axis=0)
        lengths = np.sqrt(np.square(centred).sum(axis=0))
        products = centred.T @ centred[:, self.column]
        moving = np.ptp(scores, axis=0) >= STILL
        scale = lengths * lengths[self.column]
        nothing = np.full(len(products), np.nan)
        return np.asarray(np.divide(products, scale, out=nothing, where=moving & (scale > 0.0)), dtype=np.float64)


@dataclass(frozen=True)
class Cell:
    """How ``other`` answers the path of ``finding``."""

    finding: str
    other: str
    cases: int
    """Number of paths."""
    relative: Interval
    """Mean A_cj."""
    correlation: Interval
    """Mean R_cj, over the paths on which ``other`` moves."""
    moving: int
    """Paths on which ``other`` moves at all, and so has a correlation."""
    change: Interval
    """s_j(λ_high) − s_j(λ_low), in score: where ``other`` is ``finding``, how far the path goes."""

    @property
    def telling_correlation(self) -> Interval:
        """The correlation; NaN where ``other`` stays where it is on most paths, for then it tells of the few others."""
        return self.correlation if 2 * self.moving >= self.cases else _NOTHING


@dataclass(frozen=True)
class AlignmentReport:
    """What ``evaluate alignment`` prints and writes.

    ``model`` and ``version`` are those explained, ``source`` what the samples are, in words.
    """

    model: str
    version: str
    source: str
    cases: str
    """Whose paths: radiographs with the finding, without it, or all."""
    refused: int
    """Findings of a radiograph that Latent Shift could not explain."""
    smallest_move: float
    """Rise of a path's own score, > 0, below which it is left out."""
    unmoved: int
    """Paths along which the finding's own score rises by less than ``smallest_move``; they are left out."""
    findings: tuple[str, ...]
    """The columns: every trained finding of the model."""
    cells: tuple[Cell, ...]
    """Row by row, in the order of ``findings``; a finding without a path has no row."""

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells of each path's finding."""
        width = len(self.findings)
        return tuple(self.cells[i : i + width] for i in range(0, len(self.cells), width))

    def cell(self, finding: str, other: str) -> Cell:
        """That cell. Raises KeyError."""
        for cell in self.cells:
            if (cell.finding, cell.other) == (finding, other):
                return cell
        raise KeyError((finding, other))


def summarise(paths: Sequence[Path], columns: Sequence[tuple[int, str]], *, seed: int = 0) -> tuple[Cell, ...]:
    """The cells of every finding that has a path, in the order of ``columns``: (index into the scores, name).

    ``seed`` draws the resamples. Paths that did not move must have been left out.
    """
    bootstrap = Bootstrap([path.group for path in paths], seed=seed)
    cells: list[Cell] = []
    for _, finding in columns:
        own = [path for path in paths if path.finding == finding]
        if own:
            cells += [_cell(own, finding, column, other, bootstrap) for column, other in columns]
    return tuple(cells)


def _cell(paths: Sequence[Path], finding: str, column: int, other: str, bootstrap: Bootstrap) -> Cell:
    groups = [path.group for path in paths]
    correlations = [float(path.correlations[column]) for path in paths]
    return Cell(
        finding=finding,
        other=other,
        cases=len(paths),
        relative=_mean([float(path.relative[column]) for path in paths], groups, bootstrap),
        correlation=_mean(correlations, groups, bootstrap),
        moving=int(np.isfinite(correlations).sum()),
        change=_mean([float(path.changes[column]) for path in paths], groups, bootstrap),
    )


def _mean(values: Sequence[float], groups: Sequence[str], bootstrap: Bootstrap) -> Interval:
    """Over the finite ones; NaN where there is none."""
    kept = [(value, group) for value, group in zip(values, groups, strict=True) if np.isfinite(value)]
    if not kept:
        return _NOTHING
    numbers, owners = [value for value, _ in kept], [group for _, group in kept]
    return interval(float(np.mean(numbers)), bootstrap.means(numbers, owners))
