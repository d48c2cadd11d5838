"""A writer of the JPEG kinds that no library here writes: lossless (process 14) and extended (12 bits), in one grey."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CATEGORIES = bytes([0, 0, 0, 0, 17, *[0] * 11, *range(17)])
"""A Huffman table whose code for each of the 17 categories is its number in five bits."""
_END_OF_BLOCK = bytes([1, *[0] * 15, 0])
"""A Huffman table of one code, a single 0: nothing more in this block."""


def lossless_frame(pixels: NDArray[np.integer[Any]], bits: int) -> bytes:
    """(rows, columns) as JPEG Lossless with predictor 1 (ISO/IEC 10918-1, H.1.2)."""
    wide = pixels.astype(np.int64)
    predicted = np.empty_like(wide)
    predicted[:, 1:] = wide[:, :-1]
    predicted[1:, 0] = wide[:-1, 0]
    predicted[0, 0] = 1 << (bits - 1)
    data = "".join(_difference(int(d)) for d in ((wide - predicted + 32767) % 65536 - 32767).ravel())
    header = _frame_header(0xC3, bits, *pixels.shape) + _segment(0xC4, b"\x00" + _CATEGORIES)
    return b"\xff\xd8" + header + _scan(b"\x01\x00\x00", data)


def extended_frame(blocks: list[int], bits: int = 12, quantum: int = 8) -> bytes:
    """(8, 8 * len(blocks)) as JPEG Extended, each block even and ``blocks`` from the middle of ``bits``."""
    steps = np.diff(np.array([0, *blocks]) * 8 // quantum)
    data = "".join(_difference(int(step)) + "0" for step in steps)
    tables = _segment(0xDB, b"\x00" + bytes([quantum] * 64))
    tables += _segment(0xC4, b"\x00" + _CATEGORIES) + _segment(0xC4, b"\x10" + _END_OF_BLOCK)
    return b"\xff\xd8" + tables + _frame_header(0xC1, bits, 8, 8 * len(blocks)) + _scan(b"\x00\x3f\x00", data)


def _difference(value: int) -> str:
    """The Huffman code of a difference in (-32768, 32768]; the last has a category of its own and no bits."""
    category = abs(value).bit_length()
    bits = value if value > 0 else value + (1 << category) - 1
    return f"{category:05b}" + (f"{bits:0{category}b}" if 0 < category < 16 else "")


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _frame_header(marker: int, bits: int, rows: int, columns: int) -> bytes:
    return _segment(marker, struct.pack(">BHHB", bits, rows, columns, 1) + b"\x01\x11\x00")


def _scan(parameters: bytes, bits: str) -> bytes:
    padded = bits + "1" * (-len(bits) % 8)
    data = int(padded, 2).to_bytes(len(padded) // 8, "big").replace(b"\xff", b"\xff\x00")
    return _segment(0xDA, b"\x01\x01\x00" + parameters) + data + b"\xff\xd9"
