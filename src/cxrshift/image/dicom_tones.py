"""What a DICOM header says of how its grey values are to be shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from ..errors import InvalidImage
from .dicom_pixels import PixelLayout
from .tones import Lut, Rescale, Tones, Window

TONE_KEYWORDS = (
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "LUTDescriptor",
    "LUTData",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PresentationLUTShape",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
)

_LARGEST = 1e12
_SMALLEST = 1e-9


def read_tones(header: Dataset, layout: PixelLayout) -> Tones:
    """The header's grayscale pipeline. A VOI LUT goes before windows, and the first of either before the others.

    Raises InvalidImage for a look-up table without entries, and whatever pydicom raises for malformed values.
    """
    modality_lut = _first_lut(header, "ModalityLUTSequence", layout)
    voi_lut = _first_lut(header, "VOILUTSequence", layout)
    shape = str(header.get("PresentationLUTShape") or "").strip().upper()
    return Tones(
        bits=layout.bits_stored,
        signed=layout.signed,
        padding=_padding(header, layout),
        modality=modality_lut or _rescale(header),
        voi=voi_lut or _window(header),
        # The two say the same thing (PS3.3 C.11.6.1.2) and are not to undo each other.
        inverse=layout.photometric == "MONOCHROME1" or shape == "INVERSE",
    )


def _rescale(header: Dataset) -> Rescale:
    slopes, intercepts = _numbers(header, "RescaleSlope"), _numbers(header, "RescaleIntercept")
    slope = slopes[0] if slopes and abs(slopes[0]) > _SMALLEST else 1.0
    return Rescale(slope, intercepts[0] if intercepts else 0.0)


def _window(header: Dataset) -> Window | None:
    function = str(header.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    narrowest = 1.0 if function == "LINEAR" else _SMALLEST
    for center, width in zip(_numbers(header, "WindowCenter"), _numbers(header, "WindowWidth"), strict=False):
        if width >= narrowest:
            return Window(center, width, function)
    return None


def _numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """The attribute's values; none where one of them is no number that can be reckoned with."""
    value = header.get(keyword)
    if value is None or value == "":
        return ()
    numbers = tuple(
        float(v) for v in (value if isinstance(value, Sequence) and not isinstance(value, str) else [value])
    )
    return numbers if all(math.isfinite(n) and abs(n) <= _LARGEST for n in numbers) else ()


def _padding(header: Dataset, layout: PixelLayout) -> tuple[int, int] | None:
    value, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if value is None or value == "":
        return None
    ends = [_as_stored(int(end), layout) for end in (value, limit) if end is not None and end != ""]
    return min(ends), max(ends)


def _as_stored(value: int, layout: PixelLayout) -> int:
    """``value`` in the bits that are stored, as the pixels are: a writer may give it the other sign or more bits."""
    value &= (1 << layout.bits_stored) - 1
    return value - (1 << layout.bits_stored) if layout.signed and value >> (layout.bits_stored - 1) else value


def _first_lut(header: Dataset, keyword: str, layout: PixelLayout) -> Lut | None:
    sequence = header.get(keyword)
    if not sequence:
        return None
    item = sequence[0]
    length, first, _ = (int(v) for v in item.LUTDescriptor)
    values = _entries(item.LUTData, length & 0xFFFF or 1 << 16, little_endian=bool(header.original_encoding[1]))
    if values.size == 0:
        raise InvalidImage("The DICOM file has a look-up table without entries.")
    # The first input's sign goes with the pixels, but some write it unsigned.
    return Lut(first - (1 << 16) if layout.signed and first >= 1 << 15 else first, values)


def _entries(data: Any, length: int, *, little_endian: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """At most ``length`` unsigned entries of a table that is stored as 16-bit words or packed as bytes."""
    if isinstance(data, bytes):
        packed = len(data) < 2 * length
        entries = np.frombuffer(data, np.uint8 if packed else "<u2" if little_endian else ">u2")
    else:
        entries = np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF
    return entries[:length].astype(np.float64)
