"""The report and the segmentation, read by highdicom: codes, numbers, outlines."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from PIL import Image, ImageDraw
from torchxrayvision.datasets import default_pathologies

from cxrshift.models.manifest import read_manifest
from cxrshift.pacs import codes
from cxrshift.pacs.geometry import spread_map
from cxrshift.pacs.results import ObjectKind, make_objects
from cxrshift.pacs.source import read_source
from cxrshift_api.types import Explanation
from tests.pacs.sources import COMPLETE, MADE_AT, blob, source_file, with_heatmap
from tests.render.examples import make_explanation
from tests.test_import_rules import ROOT

EXPLANATION = with_heatmap(np.maximum(blob(64, 20, 40, 4), 0.8 * blob(64, 45, 15, 5)), make_explanation(frames=5))


def read_report(data: bytes, explanation: Explanation = EXPLANATION) -> Any:
    [made] = make_objects(data, [explanation], kinds=[ObjectKind.REPORT], made_at=MADE_AT)
    return hd.sr.srread(io.BytesIO(made.content))


def values_of(group: Any) -> dict[str, float]:
    return {item.name.value: item.value for item in group.get_measurements()}


def test_the_report_is_a_measurement_report_that_nobody_has_verified() -> None:
    report = read_report(source_file())
    assert isinstance(report, hd.sr.Comprehensive3DSR)
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == COMPLETE["SOPInstanceUID"]


def test_the_numbers_of_the_whole_image() -> None:
    [group] = read_report(source_file()).content.get_image_measurement_groups()
    assert group.finding_type == codes.FINDING_CODES["cardiomegaly"]
    expected = {
        "score": EXPLANATION.radiograph_scores[0],
        "operating-point": 0.5,
        "score-recon": EXPLANATION.score,
        "lambda-min": -0.5,
        "lambda-max": 20.0,
        "score-drop": EXPLANATION.quality.drop,
        "score-rise": EXPLANATION.quality.rise,
        "recon-ssim": 0.91,
    }
    assert values_of(group) == pytest.approx(expected, rel=1e-6)
    [called] = group.get_qualitative_evaluations(name=codes.PRESENCE)
    assert called.value == codes.YES
    [source] = group.source_images
    assert source.referenced_sop_instance_uid == COMPLETE["SOPInstanceUID"]
    texts = [str(item.TextValue) for item in group[0].ContentSequence if item.ValueType == "TEXT"]
    assert any("SYNTHETIC - NOT FOR DIAGNOSIS" in text for text in texts)
    assert "Quality: The score moves little above λ = 0." in texts


def test_the_algorithm_is_named_with_all_that_repeats_it() -> None:
    [group] = read_report(source_file()).content.get_image_measurement_groups()
    items = [item for item in group[0].ContentSequence if item.ValueType == "TEXT"]
    told = {item.ConceptNameCodeSequence[0].CodeMeaning: str(item.TextValue) for item in items}
    assert told["Algorithm Name"] == "Latent Shift (arXiv 2102.09475) of phantom"
    assert told["Algorithm Version"] == "1.0"
    parameters = [str(i.TextValue) for i in items if i.ConceptNameCodeSequence[0].CodeValue == "111002"]
    assert {"profile=two-sided", "frames=5", "heatmap=max"} <= set(parameters)
    assert f"sha256 classifier.safetensors={'ab' * 32}" in parameters


@pytest.mark.parametrize("orientation", [["L", "F"], ["F", "R"], ["R", "H"]])
def test_each_outline_lies_on_the_source_around_what_is_above_the_threshold(orientation: list[str]) -> None:
    data = source_file(320, 240, PatientOrientation=orientation)
    groups = read_report(data).content.get_planar_roi_measurement_groups()
    assert len(groups) == 2
    heatmap = spread_map(EXPLANATION.heatmap, read_source(data).radiograph)
    drawn = Image.new("1", (240, 320))
    for group in groups:
        assert group.finding_type == codes.CHANGED_REGION
        region = group.roi
        assert region.graphic_type == hd.sr.GraphicTypeValues.POLYLINE
        points = region.value
        np.testing.assert_array_equal(points[0], points[-1])
        ImageDraw.Draw(drawn).polygon([tuple(point - 0.5) for point in points], fill=1)
        inside = np.asarray(drawn)
        assert values_of(group)["region-area"] <= 100 * inside.mean() * 1.1
    above = heatmap >= 0.5 * EXPLANATION.heatmap.max()
    overlap = (inside & above).sum() / (inside | above).sum()
    assert overlap > 0.93
    shares = sum(values_of(group)["region-area"] for group in groups)
    assert shares == pytest.approx(100 * above.mean(), rel=0.05)


def test_a_heatmap_without_change_has_a_report_without_regions() -> None:
    report = read_report(source_file(), with_heatmap(np.zeros((64, 64), np.float32)))
    assert report.content.get_planar_roi_measurement_groups() == []
    assert len(report.content.get_image_measurement_groups()) == 1


def test_a_score_below_its_operating_point_is_not_called_present() -> None:
    report = read_report(source_file(), replace(EXPLANATION, operating_point=0.99))
    [group] = report.content.get_image_measurement_groups()
    assert group.get_qualitative_evaluations(name=codes.PRESENCE)[0].value == codes.NO


def test_the_segmentation_is_the_thresholded_heatmap_at_the_sources_pixels() -> None:
    data = source_file(320, 240, PatientOrientation=["F", "R"])
    [made] = make_objects(data, [EXPLANATION], kinds=[ObjectKind.SEGMENTATION], made_at=MADE_AT)
    segmentation = hd.seg.segread(io.BytesIO(made.content))
    mask = segmentation.pixel_array.reshape(320, 240) > 0
    heatmap = spread_map(EXPLANATION.heatmap, read_source(data).radiograph)
    np.testing.assert_array_equal(mask, heatmap >= 0.5 * EXPLANATION.heatmap.max())
    assert 0.01 < mask.mean() < 0.2
    assert "Cardiomegaly" in segmentation.get_segment_description(1).segment_label


def test_every_known_finding_has_a_code_of_its_own() -> None:
    own = [finding.name for name in ("phantom", "cxr-small") for finding in _manifest(name).findings]
    named = {name.lower().replace("_", " ") for name in [*default_pathologies, *own]}
    assert named == set(codes.FINDING_CODES)
    assert len(set(codes.FINDING_CODES.values())) == len(codes.FINDING_CODES)
    for code in codes.FINDING_CODES.values():
        assert len(code.value) <= 16
        assert code.scheme_designator in ("SCT", "RADLEX", "99CXRSHIFT")


def _manifest(name: str) -> Any:
    return read_manifest(ROOT / "model_store" / name)


def test_a_snomed_code_is_well_formed() -> None:
    """Its last digit checks the others (SNOMED CT's SCTIDs use the Verhoeff scheme): a mistyped one would not pass."""
    for code in codes.FINDING_CODES.values():
        if code.scheme_designator == "SCT":
            assert _verhoeff(code.value) == 0, code


def _verhoeff(digits: str) -> int:
    def times(a: int, b: int) -> int:
        """In the dihedral group of order 10."""
        if a < 5:
            return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
        return 5 + (a - b) % 5 if b < 5 else (a - b) % 5

    shuffled = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        for _ in range(place % 8):
            digit = shuffled[digit]
        check = times(check, digit)
    return check


@pytest.mark.parametrize(
    ("name", "scheme", "value", "meaning"),
    [
        ("Pleural_Thickening", "99CXRSHIFT", "pleural-thick", "Pleural thickening"),
        ("  lung  opacity", "RADLEX", "RID28530", "opacity"),
        ("Support Devices", "RADLEX", "RID29033", "medical device"),
        ("Air Trapping", "99CXRSHIFT", "air-trapping", "Air Trapping"),
    ],
)
def test_a_findings_code_is_found_by_the_names_that_models_use(
    name: str, scheme: str, value: str, meaning: str
) -> None:
    code = codes.code_of_finding(name)
    assert (code.scheme_designator, code.value, code.meaning) == (scheme, value, meaning)


def test_a_finding_of_ones_own_has_a_private_code_whatever_its_name() -> None:
    names = ("Flattened Diaphragm, both sides", "Lungenrundherd λ", "肺炎", "x" * 80)
    made = [codes.code_of_finding(name) for name in names]
    assert len({code.value for code in made}) == 4
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in made)
    assert codes.code_of_finding("肺炎") == made[2]
