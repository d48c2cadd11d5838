"""The size that a compressed frame states, wherever its header stands."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from cxrshift.image.codestream import Codestream, read_codestream

FRAME_HEADER = b"\xff\xc3\x00\x0b\x0c\x01\x00\x02\x00\x01\x01\x11\x00"
SIZE = Codestream(rows=256, columns=512, samples=1, bits=12)


@pytest.mark.parametrize(
    "before",
    [b"", b"\xff\xe0\x00\x04\xff\xc0", b"\xff\xff", b"\xff\x01", b"\xff\xc4\x00\x02"],
    ids=["at once", "after text like a header", "after a fill byte", "after a lone marker", "after a table"],
)
def test_a_jpeg_frame_header_is_found(before: bytes) -> None:
    assert read_codestream(b"\xff\xd8" + before + FRAME_HEADER) == SIZE


def test_a_jpeg_ls_frame_header_is_found() -> None:
    assert read_codestream(b"\xff\xd8" + FRAME_HEADER.replace(b"\xc3", b"\xf7", 1)) == SIZE


@pytest.mark.parametrize(
    "frame",
    [b"", bytes(20), b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xda\x00\x02" + FRAME_HEADER, b"\xff\xd8\x00\x00"],
)
def test_a_frame_without_a_header_has_none(frame: bytes) -> None:
    assert read_codestream(frame) is None


def test_a_header_cut_short_is_an_error() -> None:
    with pytest.raises(struct.error):
        read_codestream(b"\xff\xd8" + FRAME_HEADER[:8])


@pytest.mark.parametrize("boxes", [True, False], ids=["JP2", "codestream"])
def test_jpeg_2000_is_read_with_and_without_boxes(boxes: bool) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 50)).save(buffer, "JPEG2000", no_jp2=not boxes)
    assert read_codestream(buffer.getvalue()) == Codestream(rows=50, columns=40, samples=3, bits=8)
