"""JPEG Lossless and Extended, written by hand and read by GDCM, which may die of them without harm."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from cxrshift.errors import InvalidImage
from cxrshift.image import gdcm_child
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.dicom import stored_pixels
from cxrshift.image.gdcm_child import FrameFormat
from tests.image.dicom_files import compressed_file
from tests.image.jpeg_frames import extended_frame, lossless_frame

NOISE = np.random.default_rng(0).integers(0, 1 << 16, (20, 33), dtype=np.uint16)


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_lossless_keeps_every_value(syntax: str, bits: int) -> None:
    pixels = NOISE >> (16 - bits)
    data = compressed_file([lossless_frame(pixels, bits)], syntax, pixels, BitsStored=bits)
    np.testing.assert_array_equal(stored_pixels(data), pixels)


def test_jpeg_lossless_keeps_signs() -> None:
    signed = (NOISE >> 4).astype(np.int16) - 2048
    frame = lossless_frame(signed.astype(np.uint16) & 0x0FFF, 12)
    data = compressed_file([frame], JPEGLosslessSV1, signed, BitsStored=12)
    np.testing.assert_array_equal(stored_pixels(data), signed)


def test_jpeg_extended_is_read_in_8_and_in_12_bits() -> None:
    blocks = [0, 100, -1000, 2047]
    expected = np.repeat(np.array(blocks, np.int64) + 2048, 8)[None].repeat(8, 0).astype(np.uint16)
    data = compressed_file([extended_frame(blocks)], JPEGExtended12Bit, expected, BitsStored=12)
    np.testing.assert_array_equal(stored_pixels(data), expected)
    shallow = np.repeat(np.array([128, 138], np.uint8), 8)[None].repeat(8, 0)
    data = compressed_file([extended_frame([0, 10], bits=8)], JPEGExtended12Bit, shallow)
    np.testing.assert_array_equal(stored_pixels(data), shallow)


def test_a_frame_that_kills_gdcm_is_merely_invalid() -> None:
    frame = lossless_frame(NOISE, 16).replace(b"\x00\x0b\x10", b"\x00\x0b\x11")  # 17 bits
    form = FrameFormat(JPEGLosslessSV1, "MONOCHROME2", 20, 33, 1, 16, 16, 0, 0)
    program = [sys.executable, "-P", gdcm_child.__file__, *map(str, form)]
    assert subprocess.run(program, input=frame, capture_output=True, check=False).returncode < 0
    with pytest.raises(InvalidImage, match="malformed"):
        decode_radiograph(compressed_file([frame], JPEGLosslessSV1, NOISE.astype(np.uint32)))


def test_a_frame_cut_short_is_invalid() -> None:
    frame = lossless_frame(NOISE, 16)[:90]
    with pytest.raises(InvalidImage):
        decode_radiograph(compressed_file([frame], JPEGLosslessSV1, NOISE))


def test_the_childs_own_work() -> None:
    """The same as above, in this process."""
    form = FrameFormat(JPEGLosslessSV1, "MONOCHROME2", 20, 33, 1, 16, 16, 0, 0)
    assert gdcm_child.decode(lossless_frame(NOISE, 16), form) == NOISE.tobytes()
