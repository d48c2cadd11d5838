"""JPEG Extended (process 2 and 4) of 8 or 12 bits as a plugin of pydicom, decoded by GDCM.

pydicom's own GDCM plugin refuses 12 bits and Pillow has none. GDCM reads them where it is told the precision that the
codestream itself states.
"""

from __future__ import annotations

import gdcm
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import JPEGExtended12Bit

from .codestream import read_codestream

PLUGIN = "cxrshift"
DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("gdcm>=3.0.24",)}


def is_available(uid: str) -> bool:
    """Asked by pydicom; GDCM is always here."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """One grey frame as unsigned little-endian samples of 8 or 16 bits. Raises ValueError for any other frame."""
    stream = read_codestream(frame)
    if stream is None or stream.samples != 1 or stream.bits not in (8, 12):
        raise ValueError("no grey JPEG of 8 or 12 bits")
    allocated = 8 if stream.bits == 8 else 16
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((stream.columns, stream.rows, 1))
    image.SetDataElement(_pixel_data(frame))
    monochrome = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(monochrome))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))))
    image.SetPixelFormat(gdcm.PixelFormat(1, allocated, stream.bits, stream.bits - 1, 0))
    runner.set_option("bits_allocated", allocated)
    # GDCM gives its char* as text.
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))


def _pixel_data(frame: bytes) -> gdcm.DataElement:
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    return element


get_decoder(JPEGExtended12Bit).add_plugin(PLUGIN, (__name__, decode_frame.__name__))
