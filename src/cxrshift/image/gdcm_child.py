"""A program: decodes one JPEG frame from standard input by GDCM and writes its samples to standard output.

GDCM ends its process (an uncaught C++ exception) on some malformed frames, so it runs in one that nobody misses.
``gdcm_frames`` starts it; it imports nothing of this project, to start fast.
"""

from __future__ import annotations

import resource
import sys
from typing import NamedTuple

import gdcm

SECONDS = 20
"""CPU time after which a frame is given up; the largest radiograph takes about two. Twice as long by the clock must be
well below what TorchServe lets a worker be silent (serving.store), or one frame would cost a whole batch its worker."""


class FrameFormat(NamedTuple):
    """What GDCM must be told of a frame."""

    syntax: str
    """UID of the transfer syntax."""
    photometric: str
    """PhotometricInterpretation, such as MONOCHROME2."""
    rows: int
    """Height in pixels."""
    columns: int
    """Width in pixels."""
    samples: int
    """Samples per pixel."""
    bits_allocated: int
    """Bits that each sample is to take: 8 or 16."""
    bits: int
    """Bits of each sample that the codestream states."""
    signed: int
    """PixelRepresentation: 0 or 1, that is unsigned or signed."""
    planar: int
    """PlanarConfiguration: 0 or 1, that is colour by pixel or by plane; counts where there are several samples."""


def decode(frame: bytes, form: FrameFormat) -> bytes:
    """The frame's samples, ``bits_allocated`` each, native-endian."""
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((form.columns, form.rows, 1))
    image.SetDataElement(_pixel_data(frame))
    photometric = gdcm.PhotometricInterpretation.GetPIType(form.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(form.syntax)))
    image.SetPixelFormat(gdcm.PixelFormat(form.samples, form.bits_allocated, form.bits, form.bits - 1, form.signed))
    if form.samples > 1:
        image.SetPlanarConfiguration(form.planar)
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


def main(arguments: list[str]) -> None:
    """Decode standard input as ``arguments``, the fields of a FrameFormat, say."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the picture
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    syntax, photometric, *numbers = arguments
    form = FrameFormat(syntax, photometric, *map(int, numbers))
    sys.stdout.buffer.write(decode(sys.stdin.buffer.read(), form))


if __name__ == "__main__":
    main(sys.argv[1:])
