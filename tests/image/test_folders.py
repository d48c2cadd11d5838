"""A study as it comes: folders of anything, and media with a DICOMDIR."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.fileset import FileSet

from cxrshift.errors import InvalidImage
from cxrshift.image.folders import find_radiographs
from cxrshift.image.libraries import silence
from tests.image.dicom_files import data_set, dicom_file, ramp
from tests.image.test_malformed import saved
from tests.pacs.sources import COMPLETE

CT = "1.2.840.10008.5.1.4.1.1.2"


def fill(folder: Path) -> None:
    (folder / "b/deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("a.dcm", "b/IM0001", "b/deep/1.2.840", ".hidden/x.dcm"):
        (folder / name).write_bytes(dicom_file(ramp()))
    (folder / "scan.dcm").write_bytes(dicom_file(ramp(), Modality="CT", SOPClassUID=CT))
    (folder / "own.dcm").write_bytes(dicom_file(ramp(), Modality="OT", Manufacturer="cxrshift"))
    (folder / "picture.png").write_bytes(saved("PNG"))
    (folder / "notes.txt").write_text("nothing")


def names(folder: Path, files: tuple[Path, ...]) -> list[str]:
    return [str(path.relative_to(folder)) for path in files]


def test_of_a_folder_the_radiographs_are_taken_and_the_rest_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path)
    found = find_radiographs([tmp_path])
    assert names(tmp_path, found.files) == ["a.dcm", "b/IM0001", "b/deep/1.2.840", "picture.png"]
    assert found.passed_over == 3


def test_what_is_named_by_itself_is_taken_whatever_it_is(tmp_path: Path) -> None:
    fill(tmp_path)
    found = find_radiographs([tmp_path / "notes.txt", tmp_path / "missing.dcm", tmp_path / "b", tmp_path / "b/IM0001"])
    assert names(tmp_path, found.files) == ["notes.txt", "missing.dcm", "b/IM0001", "b/deep/1.2.840"]
    assert found.passed_over == 0


def test_a_folder_without_any_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InvalidImage, match="there is no radiograph among its 1 files"):
        find_radiographs([tmp_path])


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A medium with a DICOMDIR that names two radiographs and a scan, and a radiograph that it does not name."""
    files = FileSet()
    with silence():
        for number, changes in enumerate([{}, {}, {"Modality": "CT", "SOPClassUID": CT}]):
            identity = {"SOPInstanceUID": f"1.2.3.{number}", "InstanceNumber": str(number), "SeriesNumber": "1"}
            dataset = data_set(ramp(), **COMPLETE | identity | changes)
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            files.add(dataset)
        files.write(tmp_path / "medium")
    files._stage["t"].cleanup()  # pydicom leaves it to the garbage collector
    (tmp_path / "medium/unnamed.dcm").write_bytes(dicom_file(ramp()))
    return tmp_path / "medium"


@pytest.mark.parametrize("name", ["", "DICOMDIR"])
def test_a_dicomdir_names_what_belongs_to_the_medium(medium: Path, name: str) -> None:
    found = find_radiographs([medium / name])
    assert len(found.files) == 2
    assert all(path.is_file() and path.name != "unnamed.dcm" for path in found.files)
    assert found.passed_over == 1


def test_a_medium_that_was_not_copied_whole_says_so(medium: Path) -> None:
    find_radiographs([medium]).files[0].unlink()
    with pytest.raises(InvalidImage, match="it names files that are not there; copy the whole medium"):
        find_radiographs([medium])


def test_a_dicomdir_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(b"nothing")
    with pytest.raises(InvalidImage, match="DICOMDIR"):
        find_radiographs([tmp_path])


def test_a_dicomdir_cannot_lead_out_of_its_medium(medium: Path) -> None:
    content = (medium / "DICOMDIR").read_bytes()
    first = next(iter(find_radiographs([medium]).files)).relative_to(medium).parts
    assert first[0].encode() in content
    (medium.parent / "secret.dcm").write_bytes(dicom_file(ramp()))
    old = "\\".join(first).encode()
    new = b"..\\secret.dcm".ljust(len(old))
    (medium / "DICOMDIR").write_bytes(content.replace(old, new))
    with pytest.raises(InvalidImage, match="copy the whole medium"):
        find_radiographs([medium])
