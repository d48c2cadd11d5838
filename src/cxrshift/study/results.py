"""What a study found: the paper's statistics over its complete pairs, by ``evaluation.reader_study``."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..evaluation.reader_study import LATENT_SHIFT, QUESTIONS, TRADITIONAL, Comparison, Reading, compare
from .records import SubmittedReading


@dataclass(frozen=True)
class ArmSummary:
    """The answers to one question with one arm, over the readings of one label."""

    arm: str
    label: str
    question: str
    readings: int
    """How many, from 1."""
    mean: float
    """Of the answers, in [1, 5]."""
    sd: float
    """In [0, 2], with no degree of freedom taken off, as everywhere in the study."""


@dataclass(frozen=True)
class Results:
    """What the submitted answers say so far."""

    readings: int
    """How many, from 0."""
    unpaired: int
    """How many of them no comparison counts: their reader has not seen the case with the other arm yet."""
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    """Empty where no pair is complete."""


def compute_results(submitted: Sequence[SubmittedReading]) -> Results:
    """The statistics of what was submitted so far."""
    paired, unpaired = split_pairs(submitted)
    return Results(
        readings=len(submitted),
        unpaired=len(unpaired),
        arms=_summarise([to_reading(one) for one in submitted]),
        comparisons=compare(to_reading(one) for one in paired) if paired else (),
    )


def split_pairs(
    submitted: Iterable[SubmittedReading],
) -> tuple[tuple[SubmittedReading, ...], tuple[SubmittedReading, ...]]:
    """The readings whose reader has seen the case with both arms, and the others."""
    readings = tuple(submitted)
    seen = Counter((one.reader, one.case.example) for one in readings)
    paired = tuple(one for one in readings if seen[one.reader, one.case.example] == 2)
    return paired, tuple(one for one in readings if seen[one.reader, one.case.example] != 2)


def to_reading(one: SubmittedReading) -> Reading:
    """A submitted answer as the statistics take it. Raises ValueError for one that lacks an answer."""
    confidence, correct_feature = one.answer.confidence, one.answer.correct_feature
    if confidence is None or correct_feature is None:
        raise ValueError("a submitted answer has both answers")
    case = one.case
    return Reading(case.example, one.reader, one.arm, case.finding, case.label_name, confidence, correct_feature)


def _summarise(readings: Sequence[Reading]) -> tuple[ArmSummary, ...]:
    summaries = []
    for question in QUESTIONS:
        for label in sorted({one.label for one in readings}, reverse=True):
            for arm in (LATENT_SHIFT, TRADITIONAL):
                said = [getattr(one, question) for one in readings if (one.arm, one.label) == (arm, label)]
                if said:
                    mean, sd = statistics.fmean(said), statistics.pstdev(said)
                    summaries.append(ArmSummary(arm, label, question, len(said), mean, sd))
    return tuple(summaries)
