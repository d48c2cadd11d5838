"""What ``evaluate faithfulness`` finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import Bootstrap, Interval, interval
from .localisation_report import ALL_FINDINGS
from .maps import MapOptions
from .perturbation import Baseline, Curves

OTHER_RADIOGRAPH = "another radiograph"
"""The stage of the sanity check that changes the radiograph instead of the weights: how alike maps are anyway."""


@dataclass(frozen=True)
class Moved:
    """One explanation: where the score started and how far the shift moved it.

    ``sample`` is the radiograph's name, ``group`` its patient, ``finding`` what is explained and ``present`` whether it
    is there.
    """

    sample: str
    group: str
    finding: str
    present: bool
    score: float
    """The finding's score on the radiograph, in [0, 1]."""
    start: float
    """Its score on the reconstruction, s(0), in [0, 1]."""
    lowest: float
    """Lowest score at λ ≤ 0, in [0, 1]."""
    highest: float
    """Highest score at λ ≥ 0, in [0, 1]."""
    operating_point: float
    """Score, in [0, 1], at which the model calls the finding present."""
    monotonicity: float
    """That of the quality card, in [0, 1]."""
    ssim: float
    """Mean structural similarity, in [-1, 1], of the other frames to the reconstruction."""
    held_back: bool
    """Whether the search stopped because too many pixels changed."""


@dataclass(frozen=True)
class Movement:
    """One finding's explanations, or all; means with 95% intervals over patients."""

    finding: str
    """The finding's name; "all" over all of them."""
    present: int
    """Number of explanations of findings that are present."""
    absent: int
    """Number of explanations of findings that are absent."""
    drop: Interval
    """s(0) − min s(λ), of the present findings."""
    rise: Interval
    """max s(λ) − s(0), of the absent findings."""
    called: int
    """Present findings scored at or above the operating point, on radiograph and reconstruction."""
    curtailed: float
    """Share of them whose score the shift takes below it."""
    lost: float
    """Share of the present findings called on the radiograph and no more on the reconstruction."""
    median_gap: float
    """Median |f(x) − f(D(E(x)))| of the present findings, in [0, 1]."""
    monotonicity: Interval
    """That of the quality cards, in [0, 1]."""
    ssim: float
    """Mean structural similarity of frames to reconstructions, in [-1, 1]."""
    held_back: float
    """Share of the explanations that a change of too many pixels ended on either side."""


@dataclass(frozen=True)
class Realism:
    """One set of images against the radiographs and against the reconstructions, in the encoder's space."""

    images: str
    """radiographs, reconstructions, curtailed or exaggerated."""
    to_real: float
    """Fréchet distance to radiographs of other patients, in units of the radiographs' own variance."""
    to_reconstructions: float
    """The same to reconstructions of other patients, in the same units."""
    told_from_reconstructions: float
    """AUROC of a linear classifier between this set and the reconstructions; 0.5 = not to be told apart."""


@dataclass(frozen=True)
class Curve:
    """One ``method``'s mean deletion and insertion curves, over the shares of perturbation.SHARES.

    ``deletion_area`` and ``insertion_area`` are the means of the areas under them, in [0, 1].
    """

    method: str
    cases: int
    """Number of maps."""
    deletion: tuple[float, ...]
    """Mean score, in [0, 1], at each share of pixels that is deleted."""
    insertion: tuple[float, ...]
    """Mean score, in [0, 1], at each share of pixels that is inserted."""
    deletion_area: Interval
    insertion_area: Interval


@dataclass(frozen=True)
class Likeness:
    """One ``method``'s maps before and after.

    ``stage`` is the share of the classifier's weights that is randomised, or that the map is of another radiograph.
    """

    method: str
    stage: str
    cases: int
    """Number of pairs of maps."""
    correlation: Interval
    """Spearman's ρ between the two maps."""
    overlap: float
    """Mean intersection over union of their highest tenths, in [0, 1]; 0.053 by chance."""


@dataclass(frozen=True)
class FaithfulnessReport:
    """What the command prints and writes.

    ``model`` and ``version`` are those explained, ``source`` what the samples are, in words, ``options`` how the maps
    were made and ``baseline`` what deletion puts in place of a pixel.
    """

    model: str
    version: str
    source: str
    options: MapOptions
    baseline: Baseline
    samples: int
    """Number of radiographs."""
    refused: int
    """Number of findings that could not be explained; they are left out."""
    movements: tuple[Movement, ...]
    """By finding, then over all."""
    realism: tuple[Realism, ...]
    """How far frames are from radiographs; empty for fewer than four."""
    curves: tuple[Curve, ...]
    """By method."""
    sanity: tuple[Likeness, ...]
    """By stage and method."""
    unexplained: int
    """Number of cases of the sanity check that a randomised classifier leaves without an explanation."""


@dataclass(frozen=True)
class Perturbed:
    """One map's ``curves``, of a patient (``group``) and a ``method``."""

    group: str
    method: str
    curves: Curves


@dataclass(frozen=True)
class Compared:
    """One map before and after: of a patient (``group``), a ``method``, and a ``stage`` of the sanity check."""

    group: str
    method: str
    stage: str
    correlation: float
    """Spearman's ρ of the two maps, in [-1, 1]."""
    overlap: float
    """Intersection over union of their highest tenths, in [0, 1]."""


def summarise_movements(cases: Sequence[Moved], findings: Sequence[str], bootstrap: Bootstrap) -> tuple[Movement, ...]:
    """By finding in the order of ``findings``, then of all cases together."""
    parts = [(finding, [case for case in cases if case.finding == finding]) for finding in findings]
    parts.append((ALL_FINDINGS, list(cases)))
    return tuple(_movement(finding, own, bootstrap) for finding, own in parts if own)


def _movement(finding: str, cases: Sequence[Moved], bootstrap: Bootstrap) -> Movement:
    present = [case for case in cases if case.present]
    absent = [case for case in cases if not case.present]
    scored = [case for case in present if case.score >= case.operating_point]
    called = [case for case in scored if case.start >= case.operating_point]
    return Movement(
        finding=finding,
        present=len(present),
        absent=len(absent),
        drop=_mean([case.start - case.lowest for case in present], present, bootstrap),
        rise=_mean([case.highest - case.start for case in absent], absent, bootstrap),
        called=len(called),
        curtailed=_share([case.lowest < case.operating_point for case in called]),
        lost=_share([case.start < case.operating_point for case in scored]),
        median_gap=float(np.median([abs(case.score - case.start) for case in present])) if present else float("nan"),
        monotonicity=_mean([case.monotonicity for case in cases], cases, bootstrap),
        ssim=float(np.mean([case.ssim for case in cases])),
        held_back=_share([case.held_back for case in cases]),
    )


def summarise_curves(cases: Sequence[Perturbed], bootstrap: Bootstrap) -> tuple[Curve, ...]:
    """By method, in the order in which they first come."""
    curves = []
    for method in dict.fromkeys(case.method for case in cases):
        own = [case for case in cases if case.method == method]
        curves.append(
            Curve(
                method=method,
                cases=len(own),
                deletion=tuple(map(float, np.mean([case.curves.deletion for case in own], axis=0))),
                insertion=tuple(map(float, np.mean([case.curves.insertion for case in own], axis=0))),
                deletion_area=_mean([case.curves.deletion_area for case in own], own, bootstrap),
                insertion_area=_mean([case.curves.insertion_area for case in own], own, bootstrap),
            )
        )
    return tuple(curves)


def summarise_sanity(cases: Sequence[Compared], bootstrap: Bootstrap) -> tuple[Likeness, ...]:
    """By stage and method, in the order in which they first come."""
    rows = []
    for stage, method in dict.fromkeys((case.stage, case.method) for case in cases):
        own = [case for case in cases if (case.stage, case.method) == (stage, method)]
        correlation = _mean([case.correlation for case in own], own, bootstrap)
        rows.append(Likeness(method, stage, len(own), correlation, float(np.mean([case.overlap for case in own]))))
    return tuple(rows)


def _mean(values: Sequence[float], cases: Sequence[Moved | Perturbed | Compared], bootstrap: Bootstrap) -> Interval:
    if not values:
        return Interval(float("nan"), float("nan"), float("nan"))
    return interval(float(np.mean(values)), bootstrap.means(values, [case.group for case in cases]))


def _share(reached: Sequence[bool]) -> float:
    return float(np.mean(reached)) if reached else float("nan")
