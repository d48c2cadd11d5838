"""Every real DICOM file at hand: its pixels are what the manifest says, and its fate is the right one."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cxrshift.errors import CodedError
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.dicom import stored_pixels

Row = Mapping[str, str]

LOSSY_JPEG = {"JPEG Baseline (Process 1)", "JPEG Extended (Process 2 and 4)"}
"""Where decoders may differ by rounding; all others agree bit for bit, and so do lossy JPEG-LS and JPEG 2000."""

DECODED_BEYOND_THE_MANIFEST = {"dwv__nema-mr1_jply.dcm"}
"""12-bit JPEG Extended, which the manifest's decoders could not read."""

INVALID = {
    "Deed-Learning-Pneumonia-Detection-on-X-Rays__test3.dcm",
    "Udacity-Pneumonia-Classification__test1.dcm",
    "derived__chest_12bit_missing_rows.dcm",
    "derived__chest_12bit_truncated.dcm",
    "derived__chest_8bit_missing_photometric.dcm",
    "fo-dicom__GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm",
    "pydicom-data__OT-PAL-8-face.dcm",
}
"""HTML, a header without what it must say, data cut short, no transfer syntax. The rest that is refused is valid."""


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "dicom"


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    with (folder / "dicoms.csv").open(newline="") as manifest:
        return list(csv.DictReader(manifest))


def test_stored_pixels_are_the_manifests(folder: Path, rows: list[Row]) -> None:
    valid = [row for row in rows if row["valid_image"] == "yes"]
    assert len(valid) == 97
    for row in valid:
        assert_as_listed(row, (folder / row["file"]).read_bytes())


def assert_as_listed(row: Row, data: bytes) -> None:
    stored, file = stored_pixels(data), row["file"]
    assert stored.dtype == np.dtype(row["decoded_dtype"]).newbyteorder("="), file
    pixels = stored.astype(row["decoded_dtype"])  # the digest is of the file's own byte order
    assert pixels.shape == tuple(map(int, row["decoded_shape"].split("x"))), file
    lossy = row["transfer_syntax"] in LOSSY_JPEG
    assert abs(int(pixels.min()) - float(row["decoded_min"])) <= lossy, file
    assert abs(int(pixels.max()) - float(row["decoded_max"])) <= lossy, file
    assert pixels.mean() == pytest.approx(float(row["decoded_mean"]), abs=0.05 if lossy else 1e-3), file
    if not lossy:
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["decoded_sha256"], file


def test_what_the_manifest_cannot_decode_is_refused(folder: Path, rows: list[Row]) -> None:
    bad = [row["file"] for row in rows if row["valid_image"] == "no"]
    assert len(bad) == 27
    for file in sorted(set(bad) - DECODED_BEYOND_THE_MANIFEST):
        with pytest.raises(CodedError):
            stored_pixels((folder / file).read_bytes())


def fate(data: bytes) -> str:
    try:
        radiograph = decode_radiograph(data)
    except CodedError as error:
        return error.code.value
    pixels = radiograph.pixels
    assert pixels.dtype == np.float32
    assert 0 <= pixels.min() <= pixels.max() <= 1
    return ""


def expected_fate(row: Row) -> str:
    if row["file"] in INVALID:
        return "INVALID_IMAGE"
    if row["valid_image"] == "no" or row["modality"] not in ("CR", "DX", "OT", "SC", ""):
        return "UNSUPPORTED_IMAGE"
    return "UNSUPPORTED_IMAGE" if min(int(row["rows"]), int(row["columns"])) < 16 else ""


def test_every_file_is_decoded_or_refused_with_the_right_code(folder: Path, rows: list[Row]) -> None:
    assert len(rows) == 124
    fates = {row["file"]: fate((folder / row["file"]).read_bytes()) for row in rows}
    assert fates == {row["file"]: expected_fate(row) for row in rows}
    radiographs = [
        row["file"]
        for row in rows
        if "radiograph" in row["category"] and row["modality"] in ("CR", "DX") and row["valid_image"] == "yes"
    ]
    assert len(radiographs) == 30
    assert all(fates[file] == "" for file in radiographs)


def picture(folder: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return decode_radiograph((folder / f"derived__chest_{name}.dcm").read_bytes()).pixels


def test_complements_in_monochrome_1_and_2_are_one_radiograph(folder: Path) -> None:
    np.testing.assert_allclose(picture(folder, "15bit_mono1"), picture(folder, "15bit_mono2_twin"), atol=1e-6)
    np.testing.assert_allclose(picture(folder, "16bit_mono1"), picture(folder, "15bit_mono2_no_window"), atol=1e-4)


def test_one_picture_in_every_lossless_form_is_one_radiograph(folder: Path) -> None:
    reference = picture(folder, "12bit_uncompressed")
    for name in ("bigendian", "deflated", "implicit", "j2k", "jpegls", "rle", "two_windows"):
        np.testing.assert_array_equal(picture(folder, f"12bit_{name}"), reference, name)
    np.testing.assert_allclose(picture(folder, "12bit_rescale"), reference, atol=1e-3)
    np.testing.assert_allclose(picture(folder, "12bit_jpegls_near"), reference, atol=0.00121)
    padded = picture(folder, "12bit_padding")
    np.testing.assert_array_equal(padded[40:], reference[40:])
    np.testing.assert_array_equal(padded[:40], 0)


def test_bone_is_bright_and_air_is_dark(folder: Path) -> None:
    """The spine's shadow between two lungs, on every frontal chest radiograph."""
    for file in (
        "AIHCND_C2_Starter__test1.dcm",
        "dwv__gdcm-CR-MONO1-10-chest.dcm",
        "pydicom-data__RG1_J2KI.dcm",
        "torchxrayvision__1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm",
        "derived__chest_10bit_three_frames.dcm",
        "derived__chest_12bit_voi_lut_sequence.dcm",
        "derived__chest_12bit_zero_window.dcm",
    ):
        pixels = decode_radiograph((folder / file).read_bytes()).pixels
        height, width = pixels.shape
        band = pixels[height * 3 // 10 : height // 2]
        spine = band[:, width * 45 // 100 : width * 55 // 100].mean()
        lungs = [band[:, width * left // 100 : width * (left + 10) // 100].mean() for left in (22, 68)]
        assert spine > max(lungs) + 0.1, file
