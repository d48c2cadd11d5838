"""Whatever is done to a file, the answer is a radiograph or a coded error: nothing else, and never the end."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from cxrshift.errors import RequestError
from cxrshift.image.decode import DecodeLimits, decode_radiograph
from tests.image.dicom_files import compress, compressed_file, data_set, dicom_file, ramp, table

GREY = ramp(8).astype(np.uint8)
SMALL = DecodeLimits(max_samples=1_000_000)
"""Else a flipped bit in Rows makes a test of seconds."""


def saved(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, form)
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, GREY)
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "npy": npy,
    "png": lambda: saved("PNG"),
    "jpeg": lambda: saved("JPEG"),
    "dicom": lambda: dicom_file(ramp(), BitsStored=12, VOILUTSequence=table(0, 16, [1, 2, 3]), WindowCenter="9\\9"),
    "deflated": lambda: dicom_file(ramp(), DeflatedExplicitVRLittleEndian),
    "rle": lambda: compress(data_set(ramp()), RLELossless),
    "jpeg in dicom": lambda: compressed_file([saved("JPEG")], JPEGBaseline8Bit, GREY),
    "jpeg-ls": lambda: compress(data_set(GREY), JPEGLSLossless),
    "jpeg 2000": lambda: compress(data_set(GREY), JPEG2000Lossless),
}


@pytest.fixture(scope="module", params=FILES)
def file(request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param]()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_decoded_or_refused(file: bytes, data: st.DataObject) -> None:
    damaged = bytearray(file)
    for _ in range(data.draw(st.integers(0, 4))):
        # Half of the damage goes to the first kilobyte, where the headers are.
        place = data.draw(st.integers(0, min(1023, len(file) - 1)) | st.integers(0, len(file) - 1))
        damaged[place] = data.draw(st.sampled_from([0, 0x7F, 0xFF]) | st.integers(0, 255))
    cut = data.draw(st.integers(0, len(file)) | st.just(len(file)))
    with suppress(RequestError):
        pixels = decode_radiograph(bytes(damaged[:cut]), limits=SMALL).pixels
        assert pixels.dtype == np.float32
        assert pixels.ndim == 2
        assert 0 <= pixels.min() <= pixels.max() <= 1


def test_every_file_is_good_before_it_is_damaged(file: bytes) -> None:
    assert decode_radiograph(file, limits=SMALL).pixels.shape == GREY.shape


@given(st.binary(max_size=300))
def test_bytes_without_meaning_are_refused(data: bytes) -> None:
    for start in b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\x93NUMPY", bytes(128) + b"DICM", b"\x08\x00":
        with pytest.raises(RequestError):
            decode_radiograph(start + data)
