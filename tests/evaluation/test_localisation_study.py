"""Maps against masks from end to end, on a model whose maps are known."""

from __future__ import annotations

import numpy as np
import pytest

from cxrshift.evaluation.localisation_report import CENTRE, MEAN_MASK, RANDOM, TWIN, Truth
from cxrshift.evaluation.localisation_study import show_examples, study_localisation
from cxrshift.evaluation.maps import LATENT_SHIFT, METHODS, MapOptions
from cxrshift.evaluation.samples import Sample, Samples, SamplesError
from cxrshift_api.types import SaliencyKind
from tests.core.toys import CurveModel, logistic
from tests.evaluation.toys import CornerModel, sample, samples


def test_every_map_of_a_model_that_looks_at_the_mask_alone_is_the_mask() -> None:
    report = study_localisation(CornerModel(), samples())
    for method in (*METHODS, TWIN, MEAN_MASK):
        row = report.row("all", method)
        assert (row.cases, row.iou.value, row.iou.low, row.iou.high) == (8, 1.0, 1.0, 1.0), method
        assert (row.dice, row.pointing.value) == (1.0, 1.0), method
    assert report.row("Upper", RANDOM).iou.value == pytest.approx(1 / 7, abs=0.06)  # a quarter of a quarter is common
    assert 0.1 < report.row("Upper", CENTRE).iou.value < 0.5
    assert {(d.finding, d.iou.value) for d in report.differences} == {("Upper", 0.0), ("Lower", 0.0), ("all", 0.0)}


def test_masks_on_the_other_side_are_missed_by_every_map_but_not_by_the_mean_mask() -> None:
    report = study_localisation(CornerModel(), samples(swapped=True))
    assert [report.row("all", method).iou.value for method in METHODS] == [0.0] * 4
    assert report.row("all", MEAN_MASK).iou.value == 1.0


def test_precision_and_recall_at_half_maximum_follow_the_maps_own_area() -> None:
    row = study_localisation(CornerModel(), samples()).row("Upper", SaliencyKind.INPUT_GRADIENT)
    assert (row.precision, row.recall) == (1.0, 1.0)  # the gradient is the same in the whole quarter


def test_the_mean_mask_never_knows_the_patient_itself() -> None:
    alone = Samples("one patient", 2, lambda i: sample(i, group="same"))
    report = study_localisation(CornerModel(), alone)
    with pytest.raises(KeyError):
        report.row("Upper", MEAN_MASK)


def test_blur_is_done_to_every_map() -> None:
    sharp, blurred = (study_localisation(CornerModel(), samples(2), options=MapOptions(blur=b)) for b in (0.0, 3.0))
    for method in METHODS:
        assert blurred.row("all", method).recall != sharp.row("all", method).recall, method


def test_where_a_finding_shows_can_be_the_truth_of_phantoms_only() -> None:
    report = study_localisation(CornerModel(), samples(2), truth=Truth.CHANGE)
    assert report.row("all", LATENT_SHIFT).iou.value == 1.0
    plain = Samples("plain", 1, lambda i: Sample("a", "a", sample(0).radiograph, (), sample(0).masks))
    with pytest.raises(SamplesError, match="phantoms only"):
        study_localisation(CornerModel(), plain, truth=Truth.CHANGE)


def test_only_detected_findings_can_be_kept_and_none_at_all_is_an_error() -> None:
    dark = Samples("dark", 1, lambda i: _darkened(sample(i)))
    assert study_localisation(CornerModel(), dark).row("all", LATENT_SHIFT).cases == 2
    with pytest.raises(SamplesError, match="No explained finding"):
        study_localisation(CornerModel(), dark, detected=True)


def test_a_model_without_a_rectifier_goes_without_guided_backpropagation() -> None:
    report = study_localisation(CurveModel((logistic(0.5, 5.0),)), Samples("grey", 1, _grey))
    assert SaliencyKind.GUIDED_BACKPROPAGATION not in {row.method for row in report.rows}
    assert SaliencyKind.INPUT_GRADIENT in {row.method for row in report.rows}


def test_examples_are_median_cases_shown_with_the_maps_that_were_measured() -> None:
    model, some = CornerModel(), samples()
    report = study_localisation(model, some)
    examples = show_examples(model, some, report)
    assert {example.finding for example in examples} == {"Upper", "Lower"}
    for example in examples:
        assert set(example.maps) == set(METHODS)
        assert set(example.ious.values()) == {1.0}
        assert example.radiograph.shape == example.mask.shape


def test_progress_is_told_for_every_sample() -> None:
    told: list[tuple[int, int]] = []
    study_localisation(CornerModel(), samples(2), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def _darkened(one: Sample) -> Sample:
    return Sample(one.name, one.group, type(one.radiograph)(one.radiograph.pixels * np.float32(0.5)), (), one.masks)


def _grey(i: int) -> Sample:
    one = sample(i)
    return Sample(one.name, one.group, one.radiograph, ("F0",), {"F0": one.masks["Upper"]})
