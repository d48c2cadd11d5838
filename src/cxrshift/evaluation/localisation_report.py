"""What ``evaluate localisation`` finds: one outcome for each map and mask, summed up by finding and method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .intervals import Bootstrap, Interval, interval
from .maps import LATENT_SHIFT, METHODS, TRADITIONAL, MapOptions

RANDOM, CENTRE, MEAN_MASK, TWIN = "random", "centre", "mean-mask", "twin"
BASELINES: Final = (RANDOM, CENTRE, MEAN_MASK, TWIN)
"""Maps that know no classifier: noise; a Gaussian in the middle; the mean mask of the finding in other patients; and,
of phantoms, |x − x'| to the same patient without the finding, the most that a map of change can reach."""

ALL_FINDINGS: Final = "all"
"""The mean over findings, each counted once."""


class Truth(StrEnum):
    """What a map is held against."""

    MASK = "mask"
    """Where the finding is."""
    CHANGE = "change"
    """Where the finding shows: pixels that it changes by more than 5% of the grey scale; known of phantoms only."""


@dataclass(frozen=True)
class Outcome:
    """One map against one mask.

    ``sample`` is the radiograph's name, ``group`` its patient, ``finding`` what is explained, ``method`` the map.
    """

    position: int
    """Index, from 0, of the sample among the samples."""
    sample: str
    group: str
    finding: str
    method: str
    score: float
    """The finding's score on the radiograph, in [0, 1]."""
    area: float
    """The mask's share of the picture."""
    iou: float
    """Intersection over union of mask and map, in [0, 1]."""
    pointed: bool
    """Whether the map's highest value lies in the mask, or within 5% of the width of it."""
    precision: float
    """Share of what the map marks that lies in the mask."""
    recall: float
    """Share of the mask that the map marks."""


@dataclass(frozen=True)
class Row:
    """One method on one finding, or on all: means over cases, with 95% intervals over patients.

    ``finding`` is its name, or "all"; ``method`` a map or a baseline.
    """

    finding: str
    method: str
    cases: int
    """Number of maps."""
    iou: Interval
    """Intersection over union at the mask's own area, in [0, 1]."""
    dice: float
    """Precision, which is recall too, where the map marks as many pixels as the mask has: 2 IoU / (1 + IoU)."""
    pointing: Interval
    """Share of the cases whose highest value lies in the mask, or within 5% of the width of it."""
    precision: float
    """At half of the map's own maximum, in [0, 1], as ``recall``."""
    recall: float
    """In [0, 1], as ``precision``."""


@dataclass(frozen=True)
class Difference:
    """Latent Shift's mean IoU minus that of the traditional map whose mean is highest, paired by patient.

    ``finding`` is its name, or "all", ``other`` that map, ``iou`` the difference, in [-1, 1].
    """

    finding: str
    other: str
    iou: Interval


@dataclass(frozen=True)
class LocalisationReport:
    """What ``evaluate localisation`` prints and writes.

    ``model`` and ``version`` are those explained, ``source`` what the samples are, in words, ``truth`` what the maps
    were held against and ``options`` how they were made.
    """

    model: str
    version: str
    source: str
    truth: Truth
    options: MapOptions
    refused: int
    """Findings that Latent Shift could not explain; they are left out for every method."""
    outside: int
    """Number of masks that the square crop, or what shows of the finding, leaves nothing of."""
    rows: tuple[Row, ...]
    """By finding, then over all; methods before baselines."""
    differences: tuple[Difference, ...]
    """By finding, then over all."""
    outcomes: tuple[Outcome, ...]
    """Every map of every case."""

    def row(self, finding: str, method: str) -> Row:
        """That row. Raises KeyError."""
        for row in self.rows:
            if (row.finding, row.method) == (finding, method):
                return row
        raise KeyError((finding, method))

    def examples(self, count: int = 3) -> tuple[Outcome, ...]:
        """Latent Shift's median case of ``count`` findings, spread evenly from its best to its worst.

        A rule instead of a choice: no example is picked for its looks.
        """
        own = [row for row in self.rows if row.method == LATENT_SHIFT and row.finding != ALL_FINDINGS]
        ranked = sorted(own, key=lambda row: -row.iou.value)
        chosen = np.unique(np.linspace(0, len(ranked) - 1, count).round().astype(int))
        medians = []
        for row in (ranked[i] for i in chosen):
            cases = [o for o in self.outcomes if (o.finding, o.method) == (row.finding, LATENT_SHIFT)]
            medians.append(sorted(cases, key=lambda o: o.iou)[len(cases) // 2])
        return tuple(medians)


def summarise(
    outcomes: Sequence[Outcome], findings: Sequence[str], *, seed: int = 0
) -> tuple[tuple[Row, ...], tuple[Difference, ...]]:
    """Rows and differences, by finding in the order of ``findings``, then over all; methods before baselines.

    The best of the traditional maps is chosen by these very cases, which favours it a little.
    """
    bootstrap = Bootstrap([o.group for o in outcomes], seed=seed)
    rows: list[Row] = []
    differences: list[Difference] = []
    draws: dict[tuple[str, str], _Draws] = {}
    present = [finding for finding in findings if any(o.finding == finding for o in outcomes)]
    for finding in present:
        for method in (*METHODS, *BASELINES):
            cases = [o for o in outcomes if (o.finding, o.method) == (finding, method)]
            if cases:
                draws[finding, method] = _Draws.of(cases, bootstrap)
                rows.append(_row(finding, method, len(cases), [draws[finding, method]]))
    for method in (*METHODS, *BASELINES):
        own = [draws[finding, method] for finding in present if (finding, method) in draws]
        if len(own) == len(present):
            total = sum(row.cases for row in rows if row.method == method)
            rows.append(_row(ALL_FINDINGS, method, total, own))
    for finding in (*present, ALL_FINDINGS):
        parts = present if finding == ALL_FINDINGS else [finding]
        rivals = [row for row in rows if row.finding == finding and row.method in TRADITIONAL]
        if rivals and (parts[0], LATENT_SHIFT) in draws:
            best = max(rivals, key=lambda row: row.iou.value).method
            differences.append(_difference(finding, best, parts, draws))
    return tuple(rows), tuple(differences)


@dataclass(frozen=True)
class _Draws:
    """The means of one finding and method: over the cases, and of IoU and pointing in every resample."""

    means: dict[str, float]
    iou: NDArray[np.float64]
    pointing: NDArray[np.float64]

    @classmethod
    def of(cls, cases: Sequence[Outcome], bootstrap: Bootstrap) -> _Draws:
        groups, ious = [o.group for o in cases], [o.iou for o in cases]
        pointed = [float(o.pointed) for o in cases]
        means = {
            "iou": float(np.mean(ious)),
            "dice": float(np.mean([2.0 * iou / (1.0 + iou) for iou in ious])),
            "pointing": float(np.mean(pointed)),
            "precision": float(np.mean([o.precision for o in cases])),
            "recall": float(np.mean([o.recall for o in cases])),
        }
        return cls(means, bootstrap.means(ious, groups), bootstrap.means(pointed, groups))


def _row(finding: str, method: str, cases: int, parts: Sequence[_Draws]) -> Row:
    mean = {name: float(np.mean([part.means[name] for part in parts])) for name in parts[0].means}
    return Row(
        finding=finding,
        method=method,
        cases=cases,
        iou=interval(mean["iou"], np.mean([part.iou for part in parts], axis=0)),
        dice=mean["dice"],
        pointing=interval(mean["pointing"], np.mean([part.pointing for part in parts], axis=0)),
        precision=mean["precision"],
        recall=mean["recall"],
    )


def _difference(finding: str, other: str, parts: Sequence[str], draws: dict[tuple[str, str], _Draws]) -> Difference:
    pairs = [(draws[part, LATENT_SHIFT], draws[part, other]) for part in parts]
    value = float(np.mean([ours.means["iou"] - theirs.means["iou"] for ours, theirs in pairs]))
    return Difference(
        finding, other, interval(value, np.mean([ours.iou - theirs.iou for ours, theirs in pairs], axis=0))
    )
