"""DICOM's run-length encoding (PS3.5 annex G) as a plugin of pydicom, unpacked by Pillow's PackBits decoder.

pydicom's own decoder runs byte by byte in Python, many times slower, and unpacks what a frame claims rather than
what its size allows.
"""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import RLELossless

PLUGIN = "cxrshift"
DECODER_DEPENDENCIES = {RLELossless: ("numpy", "pillow>=11")}
_HEADER_BYTES = 64


def is_available(uid: str) -> bool:
    """Asked by pydicom; Pillow and NumPy are always here."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """One frame's samples, plane by plane, little-endian. Raises ValueError or struct.error for a malformed frame."""
    width = runner.bits_allocated // 8
    pixels = runner.rows * runner.columns
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != runner.samples_per_pixel * width:
        raise ValueError("the number of segments contradicts the samples")
    ends = [*offsets[1:count], len(frame)]
    # Segments hold one byte of every sample, the most significant first: PS3.5 G.2.
    planes = np.empty((runner.samples_per_pixel, pixels, width), np.uint8)
    for segment in range(count):
        if not _HEADER_BYTES <= offsets[segment] <= ends[segment] <= len(frame):
            raise ValueError("a segment lies outside the frame")
        sample, byte = divmod(segment, width)
        packed = frame[offsets[segment] : ends[segment]]
        plane = Image.frombytes("L", (pixels, 1), packed, "packbits", "L")
        planes[sample, :, width - 1 - byte] = np.asarray(plane)[0]
    runner.set_option("planar_configuration", 1)
    return planes.tobytes()


get_decoder(RLELossless).add_plugin(PLUGIN, (__name__, decode_frame.__name__))
