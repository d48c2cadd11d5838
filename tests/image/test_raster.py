"""PNG and JPEG in, of every mode that carries a radiograph."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cxrshift.errors import InvalidImage, TooLarge, UnsupportedImage
from cxrshift.image.decode import DecodeLimits, decode_radiograph
from cxrshift.image.raster import MAX_JPEG_SCANS

GREY = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8) * 4
PICTURE = Image.fromarray(GREY)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> NDArray[np.float32]:
    pixels = decode_radiograph(data).pixels
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    return pixels


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG written by hand: ``rows`` with their filter bytes, ``chunks`` ahead of the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P"])
def test_every_png_mode_of_a_grey_picture_gives_its_grey(mode: str) -> None:
    np.testing.assert_allclose(decoded(saved(PICTURE.convert(mode))), GREY / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_jpeg_mode_of_a_grey_picture_gives_its_grey(mode: str) -> None:
    radiograph = decode_radiograph(saved(PICTURE.convert(mode), "JPEG", quality=98))
    assert radiograph.source == "jpeg"
    np.testing.assert_allclose(radiograph.pixels, GREY / 255, atol=0.02)


def test_a_progressive_jpeg_is_read() -> None:
    np.testing.assert_allclose(decoded(saved(PICTURE, "JPEG", progressive=True, quality=98)), GREY / 255, atol=0.02)


def test_one_bit_is_black_and_white() -> None:
    bits = PICTURE.convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(decoded(saved(bits)), np.asarray(bits, np.float32))


def test_two_bits_span_the_scale() -> None:
    rows = (b"\x00" + bytes([0b00011011] * 4)) * 16
    np.testing.assert_allclose(decoded(png(16, 16, 2, 0, rows))[0, :4], [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_sixteen_bits_keep_their_depth() -> None:
    deep = np.add.outer(np.arange(24), np.arange(32) * 32).astype(np.uint16) * 64
    np.testing.assert_allclose(decoded(saved(Image.fromarray(deep))), deep / 65535, atol=1e-6)


def test_twelve_bits_in_sixteen_are_not_almost_black() -> None:
    deep = np.full((16, 16), 2048, np.uint16)
    assert decoded(saved(Image.fromarray(deep)))[0, 0] == pytest.approx(2048 / 4095)


@pytest.mark.parametrize(("colour", "samples"), [(2, 3), (4, 2), (6, 4)], ids=["RGB", "grey and alpha", "RGBA"])
def test_sixteen_bit_colour_and_alpha_are_read(colour: int, samples: int) -> None:
    values = [40000] * (samples - 1) + [40000 if samples == 3 else 65535]
    rows = (b"\x00" + struct.pack(f">{samples}H", *values) * 16) * 16
    np.testing.assert_allclose(decoded(png(16, 16, 16, colour, rows)), 40000 / 65535, atol=0.01)


def test_colour_becomes_luminance() -> None:
    for colour, luma in ((255, 0, 0), 0.299), ((0, 255, 0), 0.587), ((0, 0, 255), 0.114):
        assert decoded(saved(Image.new("RGB", (16, 16), colour)))[0, 0] == pytest.approx(luma, abs=0.003)


def test_what_is_transparent_is_dark() -> None:
    half = Image.merge("LA", (Image.new("L", (16, 16), 200), Image.new("L", (16, 16), 51)))
    assert decoded(saved(half))[0, 0] == pytest.approx(200 / 255 * 0.2, abs=1e-3)
    palette = PICTURE.convert("P")
    assert decoded(saved(palette, transparency=palette.getpixel((31, 23))))[23, 31] == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = GREY.copy()
    upright[:6, :8] = 255  # a marker in the upper left
    # How a camera held each way stores the upright picture (EXIF 2.32, tag 0112).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    for form, atol in ("PNG", 1e-6), ("JPEG", 0.06):
        image = Image.fromarray(np.ascontiguousarray(stored))
        np.testing.assert_allclose(decoded(saved(image, form, exif=exif)), upright / 255, atol=atol)


def test_an_animation_is_refused_and_a_second_picture_is_not_looked_at() -> None:
    frames = [PICTURE, PICTURE.transpose(Image.Transpose.ROTATE_180)]
    with pytest.raises(UnsupportedImage, match="animation"):
        decode_radiograph(saved(frames[0], save_all=True, append_images=frames[1:]))
    several = saved(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=98)
    np.testing.assert_allclose(decoded(several), GREY / 255, atol=0.02)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_file_cut_short_is_invalid(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    data = saved(Image.fromarray(noise), form)
    with pytest.raises(InvalidImage, match=f"{form} file is malformed or cut short"):
        decode_radiograph(data[: int(len(data) * share)])


def test_the_header_is_judged_before_anything_is_unpacked() -> None:
    for side in 10_001, 100_000:
        with pytest.raises(TooLarge, match="too many pixels"):
            decode_radiograph(png(side, side, 8, 0, b""))
    with pytest.raises(TooLarge):
        decode_radiograph(saved(PICTURE.convert("RGB"), "JPEG"), limits=DecodeLimits(max_samples=24 * 32 * 3 - 1))


def test_pixels_beyond_the_stated_size_are_not_unpacked() -> None:
    rows = (b"\x00" + bytes(16)) * 16
    np.testing.assert_array_equal(decoded(png(16, 16, 8, 0, rows + bytes(5_000_000))), 0)


def test_a_text_chunk_that_unpacks_to_much_is_not_unpacked() -> None:
    bomb = chunk(b"zTXt", b"note\x00\x00" + zlib.compress(bytes(5_000_000)))
    with pytest.raises(InvalidImage):
        decode_radiograph(png(16, 16, 8, 0, (b"\x00" + bytes(16)) * 16, bomb))


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = saved(PICTURE, "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(TooLarge, match="scans"):
        decode_radiograph(data[:-2] + scan * MAX_JPEG_SCANS + data[-2:])
