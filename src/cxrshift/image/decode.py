"""A file's bytes to a Radiograph: the form is told by content, never by a name."""

from __future__ import annotations

from ..errors import InvalidImage, InvalidRequest
from .dicom import decode_dicom, is_dicom
from .limits import DEFAULT_LIMITS, DecodeLimits
from .npy import decode_npy
from .radiograph import Radiograph
from .raster import decode_raster

__all__ = ["DecodeLimits", "decode_radiograph", "is_image"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_NPY = b"\x93NUMPY"


def is_image(data: bytes) -> bool:
    """Whether ``data`` begins as one of the four forms does."""
    return is_dicom(data) or data.startswith((_PNG, _JPEG, _NPY))


def decode_radiograph(data: bytes, *, frame: int = 1, limits: DecodeLimits = DEFAULT_LIMITS) -> Radiograph:
    """The radiograph that ``data`` holds: a DICOM file, a PNG, a JPEG or an NPY array.

    Of a DICOM file with several frames the one of number ``frame`` is taken, from 1; a file that says how it lies is
    set upright. Which body part
    it shows is no reason to refuse it. Raises InvalidImage for bytes that are none of the four or do not decode,
    UnsupportedImage for an image that is no projection radiograph or has no decoder, and TooLarge, before decoding,
    for one over ``limits``, InvalidRequest for a frame that is not there. Safe in threads; says nothing in warnings or
    logs.
    """
    limits.check_bytes(len(data))
    # A DICOM preamble is free text and may begin like another form, so it is looked at first.
    if is_dicom(data):
        return decode_dicom(data, limits, frame)
    if frame != 1:
        raise InvalidRequest(f"source_frame is {frame}; only a DICOM file has several frames.")
    if data.startswith(_PNG):
        return Radiograph(decode_raster(data, "PNG", limits), "png")
    if data.startswith(_JPEG):
        return Radiograph(decode_raster(data, "JPEG", limits), "jpeg")
    if data.startswith(_NPY):
        return Radiograph(decode_npy(data, limits), "npy")
    raise InvalidImage("The bytes are no image that can be read; send a DICOM, PNG, JPEG or NPY file.")
