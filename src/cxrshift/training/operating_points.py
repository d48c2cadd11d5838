"""The score from which a finding counts as present, from few validation pictures (Youden, Cancer 3, 1950)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEWEST = 5
"""With fewer present or absent the point is not sought but put between what the classes score."""
_RESAMPLES = 200
_EDGE = 1e-3


def choose_operating_points(
    scores: NDArray[np.float32], labels: NDArray[np.float32], priors: NDArray[np.float32]
) -> tuple[float, ...]:
    """One point for each finding, in [0.001, 0.999] and rounded to thousandths.

    ``scores`` (N, F) are in [0, 1], ``labels`` (N, F) 1, 0, or NaN for unknown. The threshold of the highest
    sensitivity + specificity (Youden's index) hangs on single pictures where few are positive. So it is the median over
    200 resamples of the pictures, each half-way between the scores around its best threshold. Below 5 present or absent
    it is the middle, in logits, of the mean positive and the mean negative, and without any it is the finding's share
    among the training labels, ``priors`` (F,).
    """
    rng = np.random.default_rng(0)
    points = []
    for column, prior in enumerate(priors):
        known = ~np.isnan(labels[:, column])
        point = _choose(scores[known, column], labels[known, column] > 0.5, float(prior), rng)
        points.append(round(min(max(point, _EDGE), 1.0 - _EDGE), 3))
    return tuple(points)


def _choose(scores: NDArray[np.float32], present: NDArray[np.bool_], prior: float, rng: np.random.Generator) -> float:
    fewest = min(int(present.sum()), int((~present).sum()))
    if fewest == 0:
        return prior
    if fewest < FEWEST:
        logits = np.log(scores / (1.0 - scores))
        middle = (logits[present].mean() + logits[~present].mean()) / 2.0
        return float(1.0 / (1.0 + np.exp(-middle)))
    found = []
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, len(scores), len(scores))
        if 0 < present[rows].sum() < len(rows):
            found.append(_youden(scores[rows], present[rows]))
    return float(np.median(found))


def _youden(scores: NDArray[np.float32], present: NDArray[np.bool_]) -> float:
    """Half-way between the two scores between which sensitivity + specificity is highest."""
    order = np.argsort(scores, kind="stable")
    ordered, hits = scores[order].astype(np.float64), present[order]
    below = np.cumsum(~hits) / (~hits).sum() - np.cumsum(hits) / hits.sum()  # index of a threshold above each score
    below[:-1][np.diff(ordered) == 0] = -np.inf  # no threshold lies between equal scores
    best = int(below.argmax())
    return float((ordered[best] + ordered[min(best + 1, len(ordered) - 1)]) / 2.0)
