"""JPEG Lossless and JPEG Extended frames as a plugin of pydicom, decoded by GDCM in a process of its own.

pydicom's own GDCM plugin would let a malformed frame end this process and everyone's work in it. It also refuses JPEG
Extended of 12 bits, which GDCM reads where it is told the precision that the codestream itself states.
"""

from __future__ import annotations

import subprocess
import sys

from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from . import gdcm_child
from .codestream import read_codestream
from .gdcm_child import FrameFormat

PLUGIN = "cxrshift"
DECODER_DEPENDENCIES = dict.fromkeys((JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1), ("gdcm>=3.0.24",))


def is_available(uid: str) -> bool:
    """Asked by pydicom; GDCM is always here."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """One frame's samples. Raises ValueError for a frame without a header, SubprocessError for a malformed one."""
    stream = read_codestream(frame)
    if stream is None:
        raise ValueError("no JPEG frame")
    # The samples come in the bits that the codestream has, whatever the header allocates.
    runner.set_option("bits_allocated", 8 if stream.bits <= 8 else 16)
    form = FrameFormat(
        syntax=str(runner.transfer_syntax),
        photometric=str(runner.photometric_interpretation),
        rows=stream.rows,
        columns=stream.columns,
        samples=stream.samples,
        bits_allocated=runner.bits_allocated,
        bits=stream.bits,
        signed=runner.pixel_representation,
        planar=runner.planar_configuration if stream.samples > 1 else 0,
    )
    program = [sys.executable, "-P", gdcm_child.__file__, *map(str, form)]
    child = subprocess.run(
        program,
        input=frame,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=2 * gdcm_child.SECONDS,
        check=True,
    )
    return child.stdout


for _syntax in DECODER_DEPENDENCIES:
    get_decoder(_syntax).add_plugin(PLUGIN, (__name__, decode_frame.__name__))
