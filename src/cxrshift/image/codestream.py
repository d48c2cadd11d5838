"""What a compressed DICOM frame says of itself, read ahead of decoding it.

A decoder trusts the frame's own size, not the DICOM header's: a small header can hide a frame of gigabytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_J2K_START = b"\xff\x4f\xff\x51"
_JP2_START = b"\x00\x00\x00\x0cjP  "
_JPEG_START = b"\xff\xd8"
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)
_JPEG_LS_FRAME = 0xF7
_ALONE = (0x01, *range(0xD0, 0xD9))
"""JPEG markers with no length after them."""
_TOO_LATE = (0xD9, 0xDA)
"""The picture's end, or its data: no header has come before."""


@dataclass(frozen=True)
class Codestream:
    """What the header of a JPEG, JPEG-LS or JPEG 2000 frame states of it."""

    rows: int
    """Height in pixels."""
    columns: int
    """Width in pixels."""
    samples: int
    """Components of each pixel: 1 where it is grey."""
    bits: int
    """Bits of each component."""


def read_codestream(frame: bytes) -> Codestream | None:
    """The header of a compressed frame; None where it has none that is known. Raises struct.error if cut short."""
    if frame.startswith(_JPEG_START):
        return _read_jpeg(frame)
    # Some writers leave the boxes of a JP2 file around the codestream, which DICOM does not want.
    start = frame.find(_J2K_START) if frame.startswith(_JP2_START) else 0
    if frame.startswith(_J2K_START, start):
        return _read_j2k(frame, start + len(_J2K_START))
    return None


def _read_j2k(frame: bytes, position: int) -> Codestream:
    """The SIZ segment (ISO/IEC 15444-1, A.5.1)."""
    _, _, right, bottom, left, top, _, _, _, _, samples, depth = struct.unpack_from(">HH8IHB", frame, position)
    return Codestream(bottom - top, right - left, samples, (depth & 0x7F) + 1)


def _read_jpeg(frame: bytes) -> Codestream | None:
    """The first frame header (SOF, ISO/IEC 10918-1, B.2.2, and ISO/IEC 14495-1, C.2.2)."""
    position = len(_JPEG_START)
    while position < len(frame):
        prefix, marker = struct.unpack_from(">BB", frame, position)
        if prefix != 0xFF or marker in _TOO_LATE:
            return None
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in _ALONE:
            position += 2
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES) or marker == _JPEG_LS_FRAME:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 4)
            return Codestream(rows, columns, samples, bits)
        position += 2 + struct.unpack_from(">H", frame, position + 2)[0]
    return None
