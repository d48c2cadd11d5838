"""Every object read back: whose it is, what it refers to, what its pixels show; and the same twice."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import (
    Comprehensive3DSRStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from cxrshift.errors import InvalidImage, UnsupportedImage
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.libraries import silence
from cxrshift.pacs.results import DEFAULT_KINDS, ObjectKind, make_objects
from cxrshift.pacs.source import read_source
from cxrshift.render.medical import WARNING, draw_stack
from cxrshift_api.types import ExplainOptions, Profile
from tests.gateway.samples import npy_image
from tests.image.dicom_files import dicom_file
from tests.pacs.sources import COMPLETE, MADE_AT, blob, source_file, with_heatmap
from tests.render.examples import make_explanation

EXPLANATION = make_explanation(frames=5)
CLASSES = {
    ObjectKind.STACK: MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    ObjectKind.OVERLAY: SecondaryCaptureImageStorage,
    ObjectKind.REPORT: Comprehensive3DSRStorage,
    ObjectKind.SEGMENTATION: SegmentationStorage,
}


def read_objects(data: bytes, explanation: object = EXPLANATION) -> dict[ObjectKind, Dataset]:
    made = make_objects(data, [explanation], kinds=list(ObjectKind), made_at=MADE_AT)  # type: ignore[list-item]
    return {one.kind: dcmread(io.BytesIO(one.content)) for one in made}


@pytest.fixture(scope="module")
def objects() -> dict[ObjectKind, Dataset]:
    return read_objects(source_file())


def test_each_kind_has_its_class_and_stands_in_the_sources_study(objects: dict[ObjectKind, Dataset]) -> None:
    assert {kind: made.SOPClassUID for kind, made in objects.items()} == CLASSES
    for kind, made in objects.items():
        assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
        assert made.StudyInstanceUID == COMPLETE["StudyInstanceUID"]
        assert made.SeriesInstanceUID != COMPLETE["SeriesInstanceUID"]
        assert (made.PatientName, made.PatientID, made.PatientSex) == ("Doe^Jane", "P-17", "F")
        assert (made.PatientBirthDate, made.PatientAge) == ("19480229", "075Y")
        assert (made.StudyDate, made.StudyTime, made.StudyID) == ("20240102", "101112.5", "S-1")
        assert (made.AccessionNumber, made.ReferringPhysicianName) == ("A-4", "House^Gregory")
        assert made.SpecificCharacterSet == "ISO_IR 192"
        assert made.SeriesDescription.startswith(WARNING)
        assert (made.Manufacturer, made.SoftwareVersions) == ("cxrshift", "cxrshift 0.1.0")
        assert ("SyntheticData" in made) is (kind in (ObjectKind.STACK, ObjectKind.OVERLAY))
    assert len({made.SOPInstanceUID for made in objects.values()}) == 4
    assert objects[ObjectKind.STACK].SeriesInstanceUID == objects[ObjectKind.OVERLAY].SeriesInstanceUID
    assert len({(made.SeriesInstanceUID, made.SeriesNumber, made.Modality) for made in objects.values()}) == 3


@pytest.mark.parametrize("kind", [ObjectKind.STACK, ObjectKind.OVERLAY])
def test_pictures_say_that_they_are_synthetic_and_what_they_come_from(
    objects: dict[ObjectKind, Dataset], kind: ObjectKind
) -> None:
    made = objects[kind]
    assert made.SyntheticData == "YES"
    assert made.ImageType == ["DERIVED", "SECONDARY"]
    [source] = made.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == COMPLETE["SOPInstanceUID"]
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    [series] = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == COMPLETE["SeriesInstanceUID"]
    assert made.DerivationDescription.startswith(WARNING)
    assert "The score moves little above lambda = 0." in made.ImageComments
    assert made.BurnedInAnnotation == "NO"
    assert made.BodyPartExamined == "CHEST"
    assert "Laterality" not in made


def test_the_stack_plays_there_and_back_in_ascending_lambda(objects: dict[ObjectKind, Dataset]) -> None:
    made = objects[ObjectKind.STACK]
    assert made.NumberOfFrames == 5
    assert (made.FrameIncrementPointer, made.FrameTime) == (0x00181063, 100)
    assert made.RecommendedDisplayFrameRate == made.CineRate == 10
    assert made.PreferredPlaybackSequencing == 1
    assert made.RepresentativeFrameNumber == EXPLANATION.zero_frame + 1
    np.testing.assert_array_equal(made.pixel_array, draw_stack(EXPLANATION))
    shown = apply_windowing(made.pixel_array, made)
    np.testing.assert_allclose(shown, made.pixel_array, atol=0.51)  # the window is the whole range


def test_nothing_is_drawn_on_the_frames_themselves(objects: dict[ObjectKind, Dataset]) -> None:
    """Between the bar above and the strip below, each is the frame: averaged back, its pixels."""
    pages = objects[ObjectKind.STACK].pixel_array
    side, factor = EXPLANATION.frames.shape[-1], 4
    pictures = pages[:, 34 : 34 + side * factor].reshape(5, side, factor, side, factor)
    assert np.abs(pictures.mean(axis=(2, 4)) - EXPLANATION.frames).mean() < 1.0
    assert pages[:, :34].max() > 200  # the words


def test_the_overlay_is_the_source_pixel_for_pixel_and_coloured_where_it_changed() -> None:
    data = source_file()
    made = read_objects(data, with_heatmap(blob(64, 20, 40)))[ObjectKind.OVERLAY]
    assert (made.Rows, made.Columns) == (300, 250)
    assert (made.PhotometricInterpretation, made.SamplesPerPixel) == ("RGB", 3)
    assert made.PatientOrientation == ["L", "F"]
    assert made.PixelSpacing == [0.2, 0.25]
    pixels = made.pixel_array.astype(int)
    colourful = np.ptp(pixels, axis=2) > 60
    colourful[-20:] = False  # the strip
    rows, columns = np.nonzero(colourful)
    expected = (25 + 20.5 * 250 / 64, 40.5 * 250 / 64)
    assert (rows.mean(), columns.mean()) == pytest.approx(expected, abs=3)
    plain = ~(np.ptp(pixels, axis=2) > 0)
    plain[-20:] = False
    plain[20:180, 90:230] = False  # where a faint change may be
    grey = np.rint(decode_radiograph(data).pixels * 255)
    assert plain.mean() > 0.5
    np.testing.assert_array_equal(pixels[plain][:, 0], grey[plain])


def test_the_strip_is_narrow_and_at_the_lower_edge() -> None:
    blank = with_heatmap(np.zeros((64, 64), np.float32))
    for rows, columns in ((2500, 2000), (1000, 1400), (300, 300)):
        data = source_file(rows, columns)
        pixels = read_objects(data, blank)[ObjectKind.OVERLAY].pixel_array
        grey = np.rint(decode_radiograph(data).pixels * 255)
        changed = np.nonzero((pixels != grey[..., None]).any(axis=(1, 2)))[0]
        assert rows - changed.min() <= max(0.03 * min(rows, columns), 20)
        amber = (pixels[-100:, :, 0].astype(int) - pixels[-100:, :, 2]) > 100
        assert amber.any()  # the warning


def test_the_same_bytes_come_again_and_the_same_uids_at_any_time() -> None:
    data = source_file()
    first = make_objects(data, [EXPLANATION], kinds=list(ObjectKind), made_at=MADE_AT)
    again = make_objects(data, [EXPLANATION], kinds=list(ObjectKind), made_at=MADE_AT)
    assert [one.content for one in first] == [one.content for one in again]
    later = make_objects(data, [EXPLANATION], kinds=list(ObjectKind), made_at=MADE_AT + timedelta(days=9))
    assert [one.sop_instance_uid for one in first] == [one.sop_instance_uid for one in later]
    assert len({one.sop_instance_uid for one in first}) == 4
    now = make_objects(data, [EXPLANATION])
    assert [one.kind for one in now] == list(DEFAULT_KINDS)


def uids(data: bytes, explanation: object) -> set[str]:
    return {one.sop_instance_uid for one in make_objects(data, [explanation])}  # type: ignore[list-item]


def test_another_source_model_version_setting_or_finding_has_other_uids() -> None:
    receipt = EXPLANATION.receipt
    others = [
        replace(EXPLANATION, receipt=replace(receipt, model="other")),
        replace(EXPLANATION, receipt=replace(receipt, model_version="2.0")),
        replace(EXPLANATION, receipt=replace(receipt, options=ExplainOptions(profile=Profile.FIXED, frames=5))),
        make_explanation("Effusion", frames=5),
    ]
    seen = uids(source_file(), EXPLANATION)
    for other in others:
        assert not seen & uids(source_file(), other)
        seen |= uids(source_file(), other)
    assert not seen & uids(source_file(SOPInstanceUID="1.2.3.4.5"), EXPLANATION)
    beside = replace(receipt, options=replace(receipt.options, findings=("Cardiomegaly", "Mass")))
    assert uids(source_file(), replace(EXPLANATION, receipt=beside)) <= seen


def test_findings_share_a_series_and_have_numbers_of_their_own() -> None:
    explanations = [make_explanation(finding, frames=3) for finding in ("Cardiomegaly", "Effusion", "Mass")]
    made = [dcmread(io.BytesIO(one.content)) for one in make_objects(source_file(), explanations)]
    for modality, count in (("OT", 6), ("SR", 3)):
        series = [one for one in made if one.Modality == modality]
        assert len({one.SeriesInstanceUID for one in series}) == 1
        assert len({one.InstanceNumber for one in series}) == count
        assert len({(one.SeriesDate, one.SeriesTime) for one in series}) == 1


@pytest.mark.parametrize("missing", [None, ""])
def test_a_source_that_says_nothing_of_itself_gets_its_results(missing: str | None) -> None:
    bare: dict[str, Any] = dict.fromkeys(COMPLETE, missing)
    data = source_file(**bare | {"PatientName": "", "PixelSpacing": None})
    objects = read_objects(data)
    assert len({made.StudyInstanceUID for made in objects.values()}) == 1
    for made in objects.values():
        assert (str(made.PatientName), made.PatientID, made.StudyDate) == ("", "", "")
        assert made.StudyInstanceUID.startswith("2.25.")
    overlay = objects[ObjectKind.OVERLAY]
    assert "SourceImageSequence" not in overlay
    assert overlay.BurnedInAnnotation == "YES"  # who knows
    [study] = objects[ObjectKind.REPORT].CurrentRequestedProcedureEvidenceSequence
    assert study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == overlay.SOPInstanceUID


def test_names_in_any_character_set_come_out_as_the_same_names() -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    data = source_file(PatientName=name, SpecificCharacterSet=["", "ISO 2022 IR 87"])
    for made in read_objects(data).values():
        assert made.PatientName == name
    data = source_file(StudyDescription="Büßer", SpecificCharacterSet="ISO_IR 100")
    assert {made.StudyDescription for made in read_objects(data).values()} == {"Büßer"}


def test_what_breaks_its_form_is_left_out() -> None:
    data = source_file(PatientBirthDate="1948-02-29", PatientSex="X", PatientAge="75", StudyTime="noon")
    for made in read_objects(data).values():
        assert (made.PatientBirthDate, made.PatientSex, made.StudyTime) == ("", "", "")
        assert "PatientAge" not in made


def test_a_malformed_uid_is_not_repeated_but_the_study_stays_the_same() -> None:
    objects = read_objects(source_file(SOPInstanceUID="1.2.03.4", StudyInstanceUID="1.2.007"))
    with silence():
        assert {made.StudyInstanceUID for made in objects.values()} == {"1.2.007"}
    assert "SourceImageSequence" not in objects[ObjectKind.OVERLAY]


def test_times_are_in_the_zone_of_the_source() -> None:
    made = read_objects(source_file(TimezoneOffsetFromUTC="-0430"))[ObjectKind.STACK]
    assert (made.ContentDate, made.ContentTime) == ("20260101", "223405")


@pytest.mark.parametrize(("stated", "expected"), [("NO", "NO"), ("YES", "YES"), (None, "YES")])
def test_text_in_the_source_may_shine_through(stated: str | None, expected: str) -> None:
    for kind in (ObjectKind.STACK, ObjectKind.OVERLAY):
        assert read_objects(source_file(BurnedInAnnotation=stated))[kind].BurnedInAnnotation == expected


def test_a_picture_that_was_set_upright_says_how_it_lies_now() -> None:
    objects = read_objects(source_file(PatientOrientation=["H", "R"]))
    assert objects[ObjectKind.OVERLAY].PatientOrientation == ["H", "R"]
    assert objects[ObjectKind.STACK].PatientOrientation == ["L", "F"]


def test_no_word_about_the_patient_is_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """A name that the libraries find dubious, a text too long for its VR: neither is warned of or logged."""
    with caplog.at_level(logging.DEBUG):
        read_objects(source_file(PatientName="Doe Jane Secret", StudyDescription="Secret " * 20))
    assert "Secret" not in caplog.text


def test_only_dicom_files_have_results() -> None:
    with pytest.raises(UnsupportedImage, match="DICOM radiograph"):
        make_objects(npy_image(), [EXPLANATION])
    with pytest.raises(InvalidImage):
        make_objects(source_file()[:-1000], [EXPLANATION])


def test_a_lossy_source_is_said_to_be_one() -> None:
    for stated in ("01", "00"):
        made = read_objects(source_file(LossyImageCompression=stated))[ObjectKind.OVERLAY]
        assert made.get("LossyImageCompression") == ("01" if stated == "01" else None)


def test_the_source_of_a_multi_frame_image_is_its_first_frame_or_the_chosen_one() -> None:
    frames = np.repeat(np.arange(0, 200, 5, dtype=np.uint8)[None, :, None], 40, axis=2).repeat(3, axis=0)
    stated = COMPLETE | {"SOPClassUID": CLASSES[ObjectKind.STACK], "Modality": "OT"}
    data = dicom_file(frames, **stated)
    assert read_source(data).reference is not None
    objects = read_objects(data)
    assert objects[ObjectKind.OVERLAY].SourceImageSequence[0].ReferencedFrameNumber == 1
    options = replace(EXPLANATION.receipt.options, source_frame=3)
    third = replace(EXPLANATION, receipt=replace(EXPLANATION.receipt, options=options))
    others = read_objects(data, third)
    assert others[ObjectKind.OVERLAY].SourceImageSequence[0].ReferencedFrameNumber == 3
    assert {made.SOPInstanceUID for made in objects.values()}.isdisjoint(m.SOPInstanceUID for m in others.values())
    assert objects[ObjectKind.SEGMENTATION].Rows == 40
