"""How scores answer another finding's path, on models whose scores move by known ratios."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from cxrshift.core.model import FindingSpec, Model, ModelSpec
from cxrshift.evaluation.alignment import AlignmentReport, Path, summarise
from cxrshift.evaluation.alignment_study import Cases, study_alignment
from cxrshift.evaluation.figures.alignment import draw_alignment
from cxrshift.evaluation.samples import Sample, Samples, SamplesError
from cxrshift.image.radiograph import Radiograph
from tests.core.toys import Curve, CurveModel, logistic


def line(slope: float) -> Curve:
    """h(m) = 1/2 + slope (m − 1/2)."""
    return lambda means: 0.5 + slope * (means - 0.5)


SLOPES = (1.0, 0.5, -0.75, 0.0)
GREYS = (0.45, 0.5, 0.55)
LINES = CurveModel(tuple(line(slope) for slope in SLOPES))
"""Every score is a straight line of the picture's one grey: finding i moves by SLOPES[i] of it, on whosever path."""


def greys(*findings: str, values: tuple[float, ...] = GREYS) -> Samples:
    """Even pictures, each of its own patient, with these findings."""

    def load(i: int) -> Sample:
        picture = np.full((16, 16), values[i], np.float32)
        return Sample(f"grey-{i}", f"patient-{i}", Radiograph(picture), findings)

    return Samples("greys", len(values), load)


def path(*scores: tuple[float, ...], column: int = 0, group: str = "a") -> Path:
    return Path("one", group, f"F{column}", column, np.array(scores, np.float32))


def study(model: CurveModel | Model = LINES, *findings: str, cases: Cases = Cases.PRESENT) -> AlignmentReport:
    return study_alignment(model, greys(*findings), cases=cases, pixel_change=0.5)


def test_scores_on_straight_lines_move_by_the_ratios_of_their_slopes() -> None:
    report = study(LINES, "F0", "F1")
    assert report.findings == ("F0", "F1", "F2", "F3")
    assert [row[0].finding for row in report.rows] == ["F0", "F1"]
    for row, own in zip(report.rows, SLOPES, strict=False):
        for cell, slope in zip(row, SLOPES, strict=True):
            assert cell.cases == len(GREYS)
            assert cell.relative.value == pytest.approx(slope / own, abs=1e-4)
            assert cell.relative.low == pytest.approx(cell.relative.high, abs=1e-4)  # every patient says the same


def test_straight_lines_correlate_by_their_sign_and_a_constant_with_nothing() -> None:
    with_it, against, still = (study(LINES, "F0").cell("F0", name) for name in ("F1", "F2", "F3"))
    assert with_it.correlation.value == pytest.approx(1.0)
    assert against.correlation.value == pytest.approx(-1.0)
    assert (with_it.moving, still.moving) == (len(GREYS), 0)
    assert math.isnan(still.correlation.value)


def test_a_path_that_moves_too_little_is_left_out() -> None:
    report = study(LINES, "F0", "F2")
    assert [row[0].finding for row in report.rows] == ["F0", "F2"]
    gentle = CurveModel((line(1.0), line(0.05)))
    report = study(gentle, "F0", "F1")
    assert [row[0].finding for row in report.rows] == ["F0"]
    assert report.unmoved == len(GREYS)


def test_a_finding_without_a_gradient_is_refused_and_counted() -> None:
    report = study(LINES, "F0", "F3")
    assert (report.refused, report.unmoved) == (len(GREYS), 0)
    with pytest.raises(KeyError):
        report.cell("F3", "F0")


def test_the_cases_choose_whose_paths_are_walked() -> None:
    walked = {cases: {row[0].finding for row in study(LINES, "F0", cases=cases).rows} for cases in Cases}
    assert walked == {Cases.PRESENT: {"F0"}, Cases.ABSENT: {"F1", "F2"}, Cases.ALL: {"F0", "F1", "F2"}}


def test_a_finding_that_the_model_was_not_trained_on_has_neither_row_nor_column() -> None:
    findings = tuple(FindingSpec(f"F{i}", trained=i != 1) for i in range(len(SLOPES)))
    spec = ModelSpec("lines", "1", "", LINES.input_size, LINES.input_range, findings)
    report = study(Model(spec, LINES), "F0", "F1")
    assert report.findings == ("F0", "F2", "F3")
    assert report.cell("F0", "F2").relative.value == pytest.approx(-0.75, abs=1e-4)  # not its neighbour's


def test_without_any_path_there_is_no_report() -> None:
    with pytest.raises(SamplesError, match="No finding's score moves"):
        study(LINES, "F3")


def test_a_curved_score_correlates_less_than_a_straight_one() -> None:
    bent = CurveModel((line(1.0), logistic(0.5, 40.0), lambda means: 4.0 * torch.square(means - 0.5)))
    straight, step, valley = study(bent, "F0").rows[0]
    sizes = [abs(cell.correlation.value) for cell in (straight, step, valley)]
    assert all(a > b for a, b in pairwise(sizes))


def test_correlations_are_those_of_numpy() -> None:
    scores = np.random.default_rng(0).uniform(0.0, 1.0, (11, 4)).astype(np.float32)
    expected = [np.corrcoef(scores[:, 2], column)[0, 1] for column in scores.T]
    np.testing.assert_allclose(Path("s", "g", "F2", 2, scores).correlations, expected, rtol=1e-6)


def test_a_correlation_tells_only_where_the_other_moves_on_half_of_the_paths() -> None:
    moving, still = path((0.1, 0.3), (0.9, 0.7)), path((0.1, 0.3), (0.9, 0.3))
    columns = [(0, "F0"), (1, "F1")]
    _, half = summarise([moving, still], columns)
    assert half.moving == 1
    assert half.telling_correlation.value == pytest.approx(1.0)
    _, third = summarise([moving, still, still], columns)
    assert third.correlation.value == pytest.approx(1.0)
    assert math.isnan(third.telling_correlation.value)


def test_the_mean_is_over_paths_and_the_interval_over_patients() -> None:
    half, none = path((0.1, 0.3), (0.9, 0.7), group="a"), path((0.1, 0.3), (0.9, 0.3), group="b")
    columns = [(0, "F0"), (1, "F1")]
    _, cell = summarise([half, half, half, none], columns)
    assert cell.relative.value == pytest.approx(0.375)
    assert [cell.relative.low, cell.relative.high] == pytest.approx([0.0, 0.5])
    assert cell.change.value == pytest.approx(0.3)
    _, alone = summarise([half, half], columns)
    assert alone.relative.low == alone.relative.high == pytest.approx(0.5)


def test_the_figure_is_drawn_even_where_nothing_correlates() -> None:
    report = study(LINES, "F0")
    png = draw_alignment(report)
    assert png.startswith(b"\x89PNG")
    assert png == draw_alignment(report)
