"""The whole study on a model whose score is one quarter's brightness."""

from __future__ import annotations

import pytest

from cxrshift.evaluation.faithfulness_report import OTHER_RADIOGRAPH, FaithfulnessReport
from cxrshift.evaluation.faithfulness_study import study_faithfulness
from cxrshift.evaluation.figures.faithfulness import draw_curves, draw_sanity
from cxrshift.evaluation.figures.localisation import draw_examples, draw_intervals
from cxrshift.evaluation.localisation_report import RANDOM
from cxrshift.evaluation.localisation_study import show_examples, study_localisation
from cxrshift.evaluation.maps import METHODS
from cxrshift.evaluation.perturbation import Baseline
from cxrshift.evaluation.samples import Sample, Samples, SamplesError
from tests.evaluation.toys import CornerModel, sample, samples

PNG = b"\x89PNG\r\n\x1a\n"


def one_present(i: int) -> Sample:
    """Only "Upper" is present."""
    both = sample(i, group=f"patient-{i // 2}")
    return Sample(both.name, both.group, both.radiograph, ("Upper",))


@pytest.fixture(scope="module")
def report() -> FaithfulnessReport:
    some = Samples("toys", 12, one_present)
    return study_faithfulness(CornerModel(), some, baseline=Baseline.DARKEST, sanity_cases=3)


def test_a_steady_score_of_a_perfect_autoencoder_moves_monotonously_and_loses_nothing(
    report: FaithfulnessReport,
) -> None:
    upper, lower, both = report.movements
    assert (upper.finding, upper.present, upper.absent) == ("Upper", 12, 0)
    assert (lower.finding, lower.present, lower.absent) == ("Lower", 0, 12)
    assert (both.present, both.absent) == (12, 12)
    assert both.monotonicity.value == 1.0
    assert both.median_gap == pytest.approx(0.0, abs=1e-6)
    assert both.called > 0
    assert (both.lost, both.curtailed) == (0.0, 1.0)
    assert both.drop.low > 0.05
    assert both.rise.low > 0.05


def test_what_the_score_reads_is_deleted_and_inserted_first_by_every_map_but_the_random_one(
    report: FaithfulnessReport,
) -> None:
    areas = {curve.method: (curve.deletion_area.value, curve.insertion_area.value) for curve in report.curves}
    assert set(areas) == {*METHODS, RANDOM}
    for method in METHODS:
        assert areas[method][0] < areas[RANDOM][0] - 0.05, method
        assert areas[method][1] > areas[RANDOM][1] + 0.05, method


def test_frames_of_an_identity_autoencoder_are_as_real_as_the_radiographs(report: FaithfulnessReport) -> None:
    rows = {row.images: row for row in report.realism}
    assert set(rows) == {"radiographs", "reconstructions", "curtailed", "exaggerated"}
    assert rows["reconstructions"].to_real == pytest.approx(rows["radiographs"].to_real, rel=0.1)
    assert rows["curtailed"].to_real > 2 * rows["radiographs"].to_real  # every one of them is darker


def test_maps_change_with_the_weights_and_not_with_the_radiograph_where_only_weights_count(
    report: FaithfulnessReport,
) -> None:
    rows = {(row.method, row.stage): row for row in report.sanity}
    for method in ("latent-shift", "input-gradient"):
        assert rows[method, OTHER_RADIOGRAPH].correlation.value > 0.9, method
        assert rows[method, "100%"].correlation.value < 0.5, method
        assert rows[method, "100%"].cases == 3
    assert report.unexplained == 0


def test_figures_are_pngs_and_the_same_every_time(report: FaithfulnessReport) -> None:
    model, some = CornerModel(), samples()
    localised = study_localisation(model, some)
    for picture in (
        draw_curves(report),
        draw_sanity(report),
        draw_intervals(localised),
        draw_examples(show_examples(model, some, localised), title="toys"),
    ):
        assert picture.startswith(PNG)
    assert draw_curves(report) == draw_curves(report)


def test_radiographs_that_cannot_be_explained_are_counted_and_none_at_all_is_an_error() -> None:
    deaf = CornerModel()
    deaf.weights.zero_()
    with pytest.raises(SamplesError, match="Nothing could be explained"):
        study_faithfulness(deaf, Samples("toys", 1, one_present), sanity_cases=0)
