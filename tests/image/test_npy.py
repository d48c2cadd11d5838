"""NPY arrays in, of every layout that is read, and none that runs code or lies about its size."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cxrshift.errors import InvalidImage, TooLarge, UnsupportedImage
from cxrshift.image.decode import DecodeLimits, decode_radiograph


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def header(text: str, rest: bytes = b"") -> bytes:
    packed = text.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(packed).to_bytes(2, "little") + packed + rest


GREY = np.arange(16 * 20, dtype=np.uint8).reshape(16, 20) % 251


@pytest.mark.parametrize(
    "array",
    [GREY, GREY[None], GREY[..., None], np.asfortranarray(GREY), np.repeat(GREY[..., None], 3, axis=2)],
    ids=["(H, W)", "(1, H, W)", "(H, W, 1)", "Fortran order", "(H, W, 3)"],
)
def test_every_layout_gives_the_same_picture(array: NDArray[Any]) -> None:
    radiograph = decode_radiograph(npy(array))
    assert radiograph.source == "npy"
    assert radiograph.pixels.dtype == np.float32
    assert radiograph.pixels.flags.c_contiguous
    np.testing.assert_allclose(radiograph.pixels, GREY / 255, atol=1e-6)


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8"])
def test_floating_values_are_taken_as_they_are(dtype: str) -> None:
    unit = (GREY / 255).astype(dtype)
    np.testing.assert_allclose(decode_radiograph(npy(unit)).pixels, unit.astype(np.float32), atol=1e-6)


def test_bool_and_sixteen_bits_span_the_scale() -> None:
    assert decode_radiograph(npy(GREY > 100)).pixels.max() == 1
    twelve_bits = (GREY.astype(">u2") << 4) + 15
    np.testing.assert_allclose(decode_radiograph(npy(twelve_bits)).pixels, twelve_bits / 4095, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
def test_floating_values_outside_the_scale_are_refused(value: float) -> None:
    array = np.zeros((16, 16), np.float32)
    array[3, 4] = value
    with pytest.raises(InvalidImage, match=r"\[0, 1\]"):
        decode_radiograph(npy(array))


@pytest.mark.parametrize(
    "array",
    [
        GREY.astype(np.int64),
        GREY.astype(np.complex64),
        np.full((16, 16), "text"),
        np.zeros((16, 16), [("a", np.uint8)]),
        np.full((16, 16), None),
        np.zeros(300, np.uint8),
        np.zeros((16, 16, 2), np.uint8),
        np.zeros((1, 1, 16, 16), np.uint8),
        np.zeros((15, 16), np.uint8),
    ],
    ids=["int64", "complex", "text", "structured", "objects", "(N,)", "(H, W, 2)", "(1, 1, H, W)", "15 rows"],
)
def test_what_is_no_radiograph_is_refused(array: NDArray[Any]) -> None:
    with pytest.raises(UnsupportedImage):
        decode_radiograph(npy(array))


def test_a_pickle_is_never_loaded(tmp_path: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (tmp_path.joinpath("sprung").touch, ())

    with pytest.raises(UnsupportedImage, match="must be of bool"):
        decode_radiograph(npy(np.full((16, 16), Trap(), object)))
    assert not tmp_path.joinpath("sprung").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x93NUMPY",
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (16, 16), }", b"x" * 255),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (-16, -16), }", b"x" * 256),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': 'x'}"),
        header("{'descr': '\\\\d', 'fortran_order': False, 'shape': (16, 16)}"),
        header("__import__('os')"),
    ],
    ids=["magic alone", "a byte short", "negative", "no shape", "no dtype", "no literal"],
)
def test_a_malformed_file_is_invalid(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        decode_radiograph(data)


def test_a_later_version_is_unsupported() -> None:
    with pytest.raises(UnsupportedImage, match=r"version"):
        decode_radiograph(b"\x93NUMPY\x03\x00" + bytes(200))


def test_a_claimed_size_is_refused_before_memory_is_asked_for() -> None:
    with pytest.raises(TooLarge):
        decode_radiograph(header("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000, 10000000), }"))
    with pytest.raises(TooLarge):
        decode_radiograph(npy(GREY), limits=DecodeLimits(max_samples=16 * 20 - 1))
    decode_radiograph(npy(GREY), limits=DecodeLimits(max_samples=16 * 20))
