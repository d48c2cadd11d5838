"""The pixels of a DICOM file as stored, and what must be right of them before they are decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ..errors import InvalidImage, UnsupportedImage
from . import gdcm_frames, rle
from .codestream import read_codestream
from .limits import DecodeLimits
from .raster import check_scans

_PLUGINS = {
    ImplicitVRLittleEndian: "",
    ExplicitVRLittleEndian: "",
    ExplicitVRBigEndian: "",
    DeflatedExplicitVRLittleEndian: "",
    RLELossless: rle.PLUGIN,
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: gdcm_frames.PLUGIN,
    JPEGLossless: gdcm_frames.PLUGIN,
    JPEGLosslessSV1: gdcm_frames.PLUGIN,
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
}
"""Each transfer syntax that is read, with its one decoder: the same pixels whatever else is installed."""
TRANSFER_SYNTAXES = tuple(map(str, _PLUGINS))
"""UIDs of all that are read."""

_SAMPLES = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1} | dict.fromkeys(
    ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"), 3
)


@dataclass(frozen=True)
class PixelLayout:
    """How a file says its pixels are stored."""

    rows: int
    """Height in pixels, at least 1."""
    columns: int
    """Width in pixels, at least 1."""
    frames: int
    """Number of frames, at least 1."""
    samples: int
    """Samples per pixel: 1 or 3."""
    bits_allocated: int
    """Bits that a sample takes in the file: 1, 8, 16 or 32."""
    bits_stored: int
    """Bits of them that hold the sample: 1 to ``bits_allocated``."""
    signed: bool
    """Whether a sample may be negative."""
    photometric: str
    """PhotometricInterpretation, such as MONOCHROME2."""

    def of_palette(self, bits: int) -> PixelLayout:
        """The layout once palette entries of ``bits`` have taken the place of indices."""
        return replace(self, samples=3, bits_stored=bits, photometric="RGB")


def read_layout(header: Dataset, limits: DecodeLimits) -> PixelLayout:
    """The layout that ``header`` states. Raises InvalidImage, UnsupportedImage or TooLarge where it can't be read."""
    if "PixelData" not in header:
        raise UnsupportedImage("The DICOM object holds no pixel data; send an image.")
    photometric = str(header.get("PhotometricInterpretation") or "").strip().upper()
    if not photometric:
        raise InvalidImage("The DICOM file does not state its PhotometricInterpretation.")
    if photometric not in _SAMPLES:
        raise UnsupportedImage("The DICOM image has a colour model that is not read; send MONOCHROME1, 2 or RGB.")
    layout = PixelLayout(
        rows=_whole(header, "Rows"),
        columns=_whole(header, "Columns"),
        frames=_whole(header, "NumberOfFrames", 1),
        samples=_whole(header, "SamplesPerPixel", _SAMPLES[photometric]),
        bits_allocated=_whole(header, "BitsAllocated"),
        bits_stored=_whole(header, "BitsStored"),
        signed=_whole(header, "PixelRepresentation", 0) == 1,
        photometric=photometric,
    )
    if layout.samples != _SAMPLES[photometric] or min(layout.rows, layout.columns, layout.frames) < 1:
        raise InvalidImage("The DICOM file's Rows, Columns, NumberOfFrames or SamplesPerPixel contradict its image.")
    if not 1 <= layout.bits_stored <= layout.bits_allocated:
        raise InvalidImage("The DICOM file's BitsStored must be 1 to BitsAllocated.")
    if layout.bits_allocated not in (1, 8, 16, 32):
        raise UnsupportedImage("The DICOM image must have 1, 8, 16 or 32 bits allocated.")
    limits.check_samples(layout.rows, layout.columns, layout.frames, layout.samples)
    return layout


def _whole(header: Dataset, keyword: str, default: int | None = None) -> int:
    value = header.get(keyword)
    if value is None or value == "":
        if default is None:
            raise InvalidImage(f"The DICOM file does not state its {keyword}.")
        return default
    return int(value)


def read_samples(header: FileDataset, layout: PixelLayout, frame: int | None) -> NDArray[Any]:
    """The stored samples of one frame, from 1, or of all: ([frames,] rows, columns[, samples]); YBR becomes RGB.

    They are of the integer type that the file states. Raises InvalidImage where the file does not state its transfer
    syntax or a compressed frame is not what the header says, UnsupportedImage for a transfer syntax without a decoder,
    TooLarge for a JPEG of very many scans, and whatever pydicom raises.
    """
    syntax = header.file_meta.get("TransferSyntaxUID")
    if not syntax:
        raise InvalidImage("The DICOM file does not state its transfer syntax.")
    if syntax not in _PLUGINS:
        raise UnsupportedImage(
            "The DICOM image has a transfer syntax without a decoder; "
            "send it uncompressed, or as RLE, JPEG, JPEG-LS or JPEG 2000."
        )
    if UID(syntax).is_encapsulated and syntax != RLELossless:  # RLE states no size of its own
        _check_frames(header, layout, frame)
    samples, _ = get_decoder(syntax).as_array(
        header, index=None if frame is None else frame - 1, decoding_plugin=_PLUGINS[syntax]
    )
    return np.asarray(samples, samples.dtype.newbyteorder("="))


def _check_frames(header: FileDataset, layout: PixelLayout, frame: int | None) -> None:
    """Refuse compressed frames that are not of the size that the header says."""
    if frame is None:
        encoded = generate_frames(header.PixelData, number_of_frames=layout.frames)
    else:
        encoded = iter([get_frame(header.PixelData, frame - 1, number_of_frames=layout.frames)])
    for each in encoded:
        stream = read_codestream(each)
        if stream is None:
            raise InvalidImage("The DICOM file's compressed image is not of the kind that its transfer syntax says.")
        if (stream.rows, stream.columns, stream.samples) != (layout.rows, layout.columns, layout.samples):
            raise InvalidImage("The DICOM file's compressed image has another size than its header says.")
        if stream.bits > layout.bits_allocated:
            raise InvalidImage("The DICOM file's compressed image has more bits than its header allocates.")
        if header.file_meta.TransferSyntaxUID in (JPEGBaseline8Bit, JPEGExtended12Bit):
            check_scans(each)
