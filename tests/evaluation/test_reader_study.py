"""The reader study's statistics: the paper's own numbers from its own readings, and refusals that say why."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from cxrshift.evaluation.reader_study import (
    LATENT_SHIFT,
    TRADITIONAL,
    Comparison,
    Reading,
    StudyError,
    compare,
    pairs_needed,
    read_readings,
)

HEADER = "example,reader,read,arm,target,label,label_name,confidence,correct_feature\n"


def study(*confidences: tuple[int, int]) -> list[Reading]:
    """One reader's readings of examples, each with (Latent Shift, traditional) confidence."""
    readings = []
    for number, (shift, traditional) in enumerate(confidences):
        one = Reading(str(number), "1", LATENT_SHIFT, "Mass", "True Positive", shift, 3)
        readings += [one, replace(one, arm=TRADITIONAL, confidence=traditional)]
    return readings


def of(comparisons: tuple[Comparison, ...], finding: str, label: str, question: str = "confidence") -> Comparison:
    (one,) = [c for c in comparisons if (c.finding, c.label, c.question) == (finding, label, question)]
    return one


def test_the_papers_figures_come_out_to_the_printed_digit(shared_data: Path) -> None:
    comparisons = compare(read_readings(shared_data / "reader_study"))
    true, false = (of(comparisons, "all", f"{word} Positive") for word in ("True", "False"))
    assert (true.pairs, f"{true.mean:+.4f} {true.sd:.4f} {true.statistic} {true.p:.5f}") == (
        240,
        "+0.1500 0.9544 1233.5 0.01037",
    )
    assert (false.pairs, f"{false.mean:+.4f} {false.sd:.4f} {false.statistic} {false.p:.4f}") == (
        240,
        "+0.0458 1.0616 2822.5 0.5793",
    )


def test_every_row_of_the_recomputed_table_comes_out(shared_data: Path) -> None:
    comparisons = compare(read_readings(shared_data / "reader_study"))
    with (shared_data / "reader_study/recomputed.csv").open(newline="") as table:
        rows = [
            row
            for row in csv.DictReader(table)
            if row["target"] and row["question"] in ("confidence", "correct_feature")
        ]
    assert len(rows) >= 16
    for row in rows:
        one = of(comparisons, row["target"], row["label"], row["question"])
        assert (one.pairs, one.differing) == (int(row["pairs"]), int(row["nonzero_pairs"]))
        assert one.mean == pytest.approx(float(row["mean_difference"]), abs=1e-12)
        assert one.sd == pytest.approx(float(row["sd_ddof0"]))
        assert one.statistic == pytest.approx(float(row["wilcoxon_statistic"]))
        assert one.p == pytest.approx(float(row["wilcoxon_p"]))


def test_the_published_table_of_single_findings_comes_out_to_the_printed_digit(shared_data: Path) -> None:
    comparisons = compare(read_readings(shared_data / "reader_study"))
    with (shared_data / "reader_study/published.csv").open(newline="") as table:
        items = [(row["item"].split(", "), row) for row in csv.DictReader(table) if row["item"].count(", ") == 2]
    assert len(items) == 12
    for (_, finding, label), row in items:
        one = of(comparisons, finding, label.removesuffix("s").title())
        assert [f"{one.mean + 0.0:g}", str(one.statistic)] == [f"{float(row['mean']):g}", row["statistic"]]
        assert one.p == pytest.approx(float(row["p"]), rel=1e-12)  # 16 digits are printed


def test_the_interval_of_a_mean_resamples_examples_with_all_their_readers() -> None:
    alone = study((5, 3), (4, 3), (2, 3), (4, 4), (5, 2))
    echoed = [*alone, *(replace(reading, reader="2") for reading in alone)]
    first, second = (of(compare(readings), "all", "True Positive") for readings in (alone, echoed))
    assert first.low < first.mean < first.high
    assert (second.low, second.high) == (first.low, first.high)  # a reader who says the same adds nothing


def test_a_difference_is_latent_shift_minus_traditional() -> None:
    one = of(compare(study((5, 3), (4, 3), (2, 3))), "Mass", "True Positive")
    assert (one.pairs, one.differing) == (3, 3)
    assert one.mean == pytest.approx(2 / 3)
    assert one.sd == pytest.approx(math.sqrt(14) / 3)


def test_without_any_difference_there_is_no_test_and_no_size_for_the_next_study() -> None:
    one = of(compare(study((3, 3), (4, 4))), "all", "True Positive")
    assert (one.mean, one.differing) == (0.0, 0)
    assert math.isnan(one.p)
    assert pairs_needed(one) == math.inf


def test_half_the_effect_needs_four_times_the_pairs() -> None:
    one = of(compare(study((5, 3), (4, 3), (2, 3))), "all", "True Positive")
    assert pairs_needed(replace(one, mean=one.mean / 2)) == pytest.approx(4 * pairs_needed(one))
    textbook = replace(one, mean=0.5, sd=1.0)  # a paired t test needs (1.960 + 0.842)² · 4 = 31.4 pairs
    assert pairs_needed(textbook) == pytest.approx(31.396 * math.pi / 3, rel=1e-3)


def test_an_example_that_lacks_an_arm_is_refused() -> None:
    with pytest.raises(StudyError, match="1 examples lack a reading"):
        compare(study((5, 3), (4, 3))[:-1])
    with pytest.raises(StudyError, match="read twice"):
        compare([*study((5, 3)), *study((5, 3))])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example,reader\n", "lacks the columns arm, target, label_name"),
        (HEADER + "1,1,0,Both,Mass,1,True Positive,4,3\n", "line 2: arm must be Latent Shift or Traditional"),
        (HEADER + "1,1,0,Traditional,Mass,1,True Positive,6,3\n", "line 2: confidence must be a whole number"),
        (HEADER + "1,1,0,Traditional,Mass,1,True Positive,4,\n", "line 2: correct_feature must be a whole number"),
    ],
)
def test_a_table_that_is_no_study_is_refused_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "readings.csv").write_text(text)
    with pytest.raises(StudyError, match=words):
        read_readings(tmp_path)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no readable readings.csv"):
        read_readings(tmp_path)
