"""DICOM files, by pydicom: which are radiographs, and their pixels on one grey scale."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ..errors import InvalidImage, InvalidRequest, TooLarge
from .dicom_kinds import MANUFACTURER, refuse_other_kinds
from .dicom_pixels import TRANSFER_SYNTAXES, PixelLayout, read_layout, read_samples
from .dicom_tones import TONE_KEYWORDS, read_tones
from .dicom_turn import ORIENTATION_KEYWORDS, read_turn
from .dicom_view import VIEW_KEYWORDS, read_doubts
from .grey import luminance
from .libraries import reading
from .limits import DEFAULT_LIMITS, DecodeLimits
from .radiograph import Radiograph
from .tones import Tones, render

__all__ = [
    "MANUFACTURER",
    "TRANSFER_SYNTAXES",
    "check_radiograph",
    "decode_dicom",
    "is_dicom",
    "read_header",
    "stored_pixels",
]

_KEYWORDS = (
    "SOPClassUID",
    "Manufacturer",
    "Modality",
    "PresentationIntentType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *TONE_KEYWORDS,
    *ORIENTATION_KEYWORDS,
    *VIEW_KEYWORDS,
)
"""All that is ever read of a data set: nothing about the patient, and no memory for what is not needed.

The extended offset table is left out: it could name another frame to the decoder than the one that was checked, and
without it each fragment is a frame, as the standard has it wherever that table is used (PS3.3 C.7.6.3.1.8).
"""

_WITHOUT_PREAMBLE = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
"""Group 0002 or 0008 in little endian, 0008 in big endian: how a data set begins where the preamble is missing."""


def is_dicom(data: bytes) -> bool:
    """Whether ``data`` begins as a DICOM file does, or as one whose preamble was lost."""
    return data[128:132] == b"DICM" or data.startswith(_WITHOUT_PREAMBLE)


def decode_dicom(data: bytes, limits: DecodeLimits, frame: int = 1) -> Radiograph:
    """A DICOM radiograph, bone bright and upright; of several frames, that one, counted from 1.

    ``tones.render`` gives the scale, ``dicom_turn`` what is upright. Raises InvalidImage, UnsupportedImage
    (``dicom_kinds`` says of what, and ``dicom_pixels`` for which encodings), TooLarge, and InvalidRequest for a frame
    that is not there.
    """
    with reading("DICOM"):
        header = read_header(data, _KEYWORDS, limits)
        refuse_other_kinds(header)
        layout = read_layout(header, limits)
        limits.check_sides(layout.rows, layout.columns)
        if not 1 <= frame <= layout.frames:
            raise InvalidRequest(f"source_frame is {frame}; of this DICOM file it must be 1 to {layout.frames}.")
        samples = read_samples(header, layout, frame)
        if layout.photometric == "PALETTE COLOR":
            samples = apply_color_lut(samples, header)[..., :3]
            layout = PixelLayout.of_palette(layout, samples.dtype.itemsize * 8)
        tones = read_tones(header, layout) if samples.ndim == 2 else Tones(layout.bits_stored)
        turn, doubts = read_turn(header), read_doubts(header)
    if samples.ndim == 2:
        pixels = render(samples, tones)
    else:
        pixels = np.asarray(np.clip(luminance(samples) / np.float32((1 << layout.bits_stored) - 1), 0.0, 1.0))
    return Radiograph(turn.apply(pixels), "dicom", turn, doubts)


def check_radiograph(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
    """Raise UnsupportedImage for a DICOM file that says it is no projection radiograph, InvalidImage, or TooLarge."""
    with reading("DICOM"):
        refuse_other_kinds(read_header(data, _KEYWORDS, limits))


def stored_pixels(data: bytes, *, limits: DecodeLimits = DEFAULT_LIMITS) -> NDArray[Any]:
    """Every stored sample of a DICOM file of any kind, before any table or window.

    ([frames,] rows, columns[, samples]) of the integer type that the file states and of any range, in native byte
    order; axes of length 1 are left out, YBR is given as RGB. Raises InvalidImage, UnsupportedImage where there are no
    pixels or no decoder, and TooLarge.
    """
    if not is_dicom(data):
        raise InvalidImage("The bytes are no DICOM file.")
    with reading("DICOM"):
        header = read_header(data, _KEYWORDS, limits)
        return read_samples(header, read_layout(header, limits), None)


def read_header(data: bytes, keywords: Sequence[str], limits: DecodeLimits = DEFAULT_LIMITS) -> FileDataset:
    """The named attributes of a data set, and its character set.

    Call it and read values within ``reading``. Raises TooLarge for a data set that inflates beyond ``limits``, and
    whatever pydicom raises for a malformed one.
    """
    if DeflatedExplicitVRLittleEndian.encode() in data:
        _check_inflated_size(data, limits)
    return dcmread(io.BytesIO(data), force=True, specific_tags=list(keywords))


def _check_inflated_size(data: bytes, limits: DecodeLimits) -> None:
    """Raise TooLarge where pydicom, which inflates without a bound, would unpack more than ``max_bytes``."""
    file = io.BytesIO(data)
    read_preamble(file, force=True)
    meta = Dataset(read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2))
    list(meta)  # where an element can't be read, pydicom would take the group for another encoding: refuse instead
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[file.tell() :], limits.max_bytes + 1)
    if len(inflated) > limits.max_bytes:
        raise TooLarge(f"The DICOM file is too large once inflated; at most {limits.max_bytes} bytes are read.")
