"""The paper's reader study, from its table of readings: does Latent Shift raise readers' confidence? Needs no torch.

Every reader sees every example twice, once with each arm. Differences are Latent Shift minus traditional, paired by
example and reader. arXiv 2102.09475 gives, of true and of false positives, their mean, their standard deviation with
no degree of freedom taken off, and the p of SciPy's Wilcoxon signed-rank test with its defaults.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CxrshiftError
from .intervals import Bootstrap, interval

READINGS = "readings.csv"
LATENT_SHIFT, TRADITIONAL = "Latent Shift", "Traditional"
QUESTIONS = ("confidence", "correct_feature")
ALL_FINDINGS = "all"
_COLUMNS = ("example", "reader", "arm", "target", "label_name", *QUESTIONS)


class StudyError(CxrshiftError):
    """The study's table is missing or is not what it must be."""


@dataclass(frozen=True)
class Reading:
    """One reader's answers, on five-point scales, to one example shown with one arm.

    ``example`` and ``reader`` are their names, ``arm`` is "Latent Shift" or "Traditional", ``finding`` what was
    explained.
    """

    example: str
    reader: str
    arm: str
    finding: str
    label: str
    """Such as "True Positive" or "False Positive"."""
    confidence: int
    """From 1, none, to 5, certain."""
    correct_feature: int
    """Whether the classifier uses the correct feature, from 1, no, to 5, yes."""


@dataclass(frozen=True)
class Comparison:
    """Latent Shift minus traditional, over the pairs of one finding (or all) and one label, for one question.

    ``finding`` is its name, or "all"; ``label`` is that of the readings, ``question`` one of QUESTIONS.
    """

    finding: str
    label: str
    question: str
    pairs: int
    """Number of pairs."""
    mean: float
    """Mean difference, in points of the five-point scale, in [-4, 4]."""
    sd: float
    """Standard deviation of the differences, with no degree of freedom taken off."""
    statistic: float
    """W of the Wilcoxon signed-rank test, ≥ 0, over the pairs that differ; NaN where none does."""
    p: float
    """The test's p, in [0, 1], two-sided; NaN where no pair differs."""
    differing: int
    """Number of pairs whose difference is not 0."""
    low: float
    """Lower end of the mean's 95% interval, in points: examples are resampled, each with all its readers; in
    [-4, 4]."""
    high: float
    """Upper end of the same, in [-4, 4]."""


def read_readings(folder: Path) -> tuple[Reading, ...]:
    """The readings of ``folder``/readings.csv. Raises StudyError, which names the line and what would be right."""
    path = folder / READINGS
    try:
        with path.open(newline="", encoding="utf-8") as table:
            rows = csv.DictReader(table)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise StudyError(f"{READINGS} lacks the columns {', '.join(missing)}.")
            return tuple(_read_row(rows.line_num, row) for row in rows)
    except OSError as error:
        raise StudyError(
            f"{folder} holds no readable {READINGS}: {error.strerror}. docs/evaluation.md says what is in it."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{READINGS} must be a UTF-8 table with commas.") from error


def compare(readings: Iterable[Reading]) -> tuple[Comparison, ...]:
    """Every comparison that the readings allow: each question, label, and finding, all findings first.

    Raises StudyError where an example was not read exactly once with each arm by a reader.
    """
    pairs = _pair(readings)
    labels = sorted({shift.label for shift, _ in pairs}, reverse=True)  # true positives before false ones
    findings = (ALL_FINDINGS, *sorted({shift.finding for shift, _ in pairs}))
    comparisons = []
    for question in QUESTIONS:
        for label in labels:
            for finding in findings:
                chosen = [p for p in pairs if p[0].label == label and finding in (ALL_FINDINGS, p[0].finding)]
                if chosen:
                    comparisons.append(_compare(finding, label, question, chosen))
    return tuple(comparisons)


def pairs_needed(comparison: Comparison, *, power: float = 0.8, level: float = 0.05) -> float:
    """Number of pairs that the next study needs to find an effect of this size; infinite where there is none.

    Of a paired t test, n = ((z(1 - level/2) + z(power)) sd / mean)², times π/3 for the signed-rank test, whose
    asymptotic efficiency on normal differences is 3/π (Lehmann, Nonparametrics, 1975). ``power`` and ``level`` are
    probabilities: to find the effect, and of a false alarm.
    """
    from scipy import stats  # takes a second to import, which whoever only keeps readings need not wait for

    if comparison.mean == 0.0:
        return float("inf")
    needed = stats.norm.ppf(1.0 - level / 2.0) + stats.norm.ppf(power)
    return float((needed * comparison.sd / comparison.mean) ** 2 * np.pi / 3.0)


_Pair = tuple[Reading, Reading]


def _pair(readings: Iterable[Reading]) -> Sequence[_Pair]:
    arms: dict[tuple[str, str], dict[str, Reading]] = {}
    for reading in readings:
        seen = arms.setdefault((reading.example, reading.reader), {})
        if reading.arm in seen:
            raise StudyError(f"Example {reading.example} was read twice with {reading.arm} by one reader.")
        seen[reading.arm] = reading
    incomplete = [example for (example, _), seen in arms.items() if len(seen) != 2]
    if incomplete:
        raise StudyError(
            f"{len(incomplete)} examples lack a reading with one of the arms, the first of them {incomplete[0]}; "
            "every reader must see each example once with each."
        )
    return [(seen[LATENT_SHIFT], seen[TRADITIONAL]) for seen in arms.values()]


def _compare(finding: str, label: str, question: str, pairs: Sequence[_Pair]) -> Comparison:
    from scipy import stats

    differences: NDArray[np.int64] = np.array([getattr(a, question) - getattr(b, question) for a, b in pairs])
    differing = int(np.count_nonzero(differences))
    tested = stats.wilcoxon(differences) if differing else None
    examples = [shift.example for shift, _ in pairs]
    mean = float(differences.mean())
    around = interval(mean, Bootstrap(examples).means(differences.tolist(), examples))
    return Comparison(
        finding=finding,
        label=label,
        question=question,
        pairs=len(pairs),
        mean=mean,
        sd=float(differences.std()),
        statistic=float(tested.statistic) if tested else float("nan"),
        p=float(tested.pvalue) if tested else float("nan"),
        differing=differing,
        low=around.low,
        high=around.high,
    )


def _read_row(line: int, row: dict[str, str]) -> Reading:
    arm = row["arm"]
    if arm not in (LATENT_SHIFT, TRADITIONAL):
        raise StudyError(f"{READINGS}, line {line}: arm must be {LATENT_SHIFT} or {TRADITIONAL}.")
    answers = []
    for question in QUESTIONS:
        if row[question] not in ("1", "2", "3", "4", "5"):
            raise StudyError(f"{READINGS}, line {line}: {question} must be a whole number from 1 to 5.")
        answers.append(int(row[question]))
    return Reading(row["example"], row["reader"], arm, row["target"], row["label_name"], *answers)
