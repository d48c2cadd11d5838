"""Bootstrap intervals of means, with everything of one patient drawn together (Davison and Hinkley 1997)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""How many resamples give an interval."""
LEVEL = 0.95
"""Share of the resamples that lie within an interval."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value and its 95% interval, in the units of what was measured; NaN where there is nothing to measure."""

    value: float
    """The value itself."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class Bootstrap:
    """How often each patient is in each resample: one draw for every figure, so that differences are paired.

    Images of one patient are alike, so patients are resampled, not images. Two figures of the same Bootstrap come
    from the same patients, resample by resample.
    """

    def __init__(self, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self._places = {patient: i for i, patient in enumerate(dict.fromkeys(patients))}
        count = max(len(self._places), 1)
        rng = np.random.default_rng(seed)
        self._counts = rng.multinomial(count, np.full(count, 1.0 / count), size=resamples).astype(np.float64)

    def means(self, values: Sequence[float], patients: Sequence[str]) -> Array:
        """The mean of ``values`` (n,), each of its own patient, in every resample: (B,); NaN where none was drawn.

        ``values`` are in any units, and so is the mean.
        """
        places = np.array([self._places[patient] for patient in patients], dtype=np.int64)
        size = self._counts.shape[1]
        sums = np.bincount(places, np.asarray(values, dtype=np.float64), minlength=size)
        numbers = np.bincount(places, minlength=size).astype(np.float64)
        drawn = self._counts @ numbers
        totals = self._counts @ sums
        return np.divide(totals, drawn, out=np.full_like(totals, np.nan), where=drawn > 0)


def interval(value: float, draws: Array) -> Interval:
    """The percentile interval around ``value``, in any units, from its resampled twins ``draws`` (B,) in the same."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Interval(value, float(low), float(high))
