"""Results of every real DICOM radiograph at hand, read back, and put to dciodvfy."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from cxrshift.errors import CodedError
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.libraries import silence
from cxrshift.pacs.results import DicomObject, ObjectKind, make_objects
from cxrshift.render.medical import draw_stack
from tests.pacs.sources import MADE_AT, source_file
from tests.render.examples import make_explanation

EXPLANATION = make_explanation(frames=3, side=64)
NEWER_THAN_THE_TOOL = "not a recognized standard attribute - (0x0008,0x001c)"
"""SyntheticData came into the standard in 2023; dciodvfy's list of attributes ends before it, up to the release of
January 2024 at least, and says so of it. Nothing else is forgiven."""


@pytest.fixture(scope="module")
def results(shared_data: Path) -> dict[str, tuple[bytes, tuple[DicomObject, ...]]]:
    """By file: the source, and all four objects of one explanation."""
    made = {}
    for path in sorted((shared_data / "dicom").iterdir()):
        if path.suffix != ".csv":
            data = path.read_bytes()
            try:
                made[path.name] = data, make_objects(data, [EXPLANATION], kinds=list(ObjectKind), made_at=MADE_AT)
            except CodedError:
                with pytest.raises(CodedError):  # for no other reason than that it is no radiograph
                    decode_radiograph(data)
    assert len(made) == 52
    return made


Results = dict[str, tuple[bytes, tuple[DicomObject, ...]]]


def read_back(results: Results) -> Iterator[tuple[str, Dataset, dict[ObjectKind, Dataset]]]:
    for name, (data, made) in results.items():
        with silence():
            source = dcmread(io.BytesIO(data), force=True)
            yield name, source, {one.kind: dcmread(io.BytesIO(one.content)) for one in made}


def test_patient_study_and_source_are_those_of_the_file(results: Results) -> None:
    cited = 0
    for name, source, objects in read_back(results):
        assert set(objects) == set(ObjectKind), name
        for made in objects.values():
            for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyID", "StudyDescription"):
                assert str(made.get(keyword) or "") == str(source.get(keyword) or "").strip(" \0"), (name, keyword)
            assert made.StudyInstanceUID == (source.get("StudyInstanceUID") or made.StudyInstanceUID), name
        references = objects[ObjectKind.OVERLAY].get("SourceImageSequence", [])
        cited += len(references)
        for reference in references:
            assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID, name
            assert reference.ReferencedSOPClassUID == source.SOPClassUID, name
    assert cited == 48


def test_pixels_are_the_frames_and_the_source(results: Results) -> None:
    stack = draw_stack(EXPLANATION)
    for name, source, objects in read_back(results):
        np.testing.assert_array_equal(objects[ObjectKind.STACK].pixel_array, stack, name)
        overlay, mask = objects[ObjectKind.OVERLAY], objects[ObjectKind.SEGMENTATION]
        assert (overlay.Rows, overlay.Columns) == (source.Rows, source.Columns) == (mask.Rows, mask.Columns), name
        radiograph = decode_radiograph(results[name][0])
        grey = np.rint(radiograph.turn.undo(radiograph.pixels) * 255)
        shown = overlay.pixel_array[:, :, 0]
        unchanged = np.ones(grey.shape, bool)
        unchanged[int(grey.shape[0] * 0.2) :] = False  # no change in the upper fifth of the square
        assert (shown[unchanged] == grey[unchanged]).mean() > 0.95 or min(grey.shape) < 100, name
        assert 0.005 < mask.pixel_array.mean() < 0.2, name


def test_dciodvfy_finds_no_error(results: Results, tmp_path: Path) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not here; on Debian: apt-get install dicom3tools")
    file, judged = tmp_path / "object.dcm", 0
    for name, (_, made) in results.items():
        for one in made:
            file.write_bytes(one.content)
            done = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, errors="replace")
            lines = (done.stdout + done.stderr).splitlines()
            errors = [line for line in lines if "Error" in line and NEWER_THAN_THE_TOOL not in line]
            assert errors == [], (name, one.kind)
            judged += any(line in ("Comprehensive3DSR", "Segmentation", "SCImage") or "SC" in line for line in lines)
    assert judged == 4 * len(results)  # it recognised each


def test_dciodvfy_would_find_one(tmp_path: Path) -> None:
    """The tool, and the way it is asked here, do tell a bad object."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not here; on Debian: apt-get install dicom3tools")
    [stack, *_] = make_objects(source_file(), [EXPLANATION], made_at=MADE_AT)
    broken = dcmread(io.BytesIO(stack.content))
    del broken.ConversionType
    broken.save_as(tmp_path / "broken.dcm")
    done = subprocess.run(["dciodvfy", str(tmp_path / "broken.dcm")], capture_output=True, text=True)
    assert "Error" in done.stdout + done.stderr
