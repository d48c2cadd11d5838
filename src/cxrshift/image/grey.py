"""From stored samples to one grey scale, for every form of file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601); equal channels stay what they are."""


def luminance(colour: NDArray[Any]) -> NDArray[np.float32]:
    """(H, W) float32 luma (ITU-R BT.601) of ``colour`` (H, W, 3), of any type, in the same units."""
    grey = np.zeros(colour.shape[:2], np.float32)
    for channel, weight in enumerate(_LUMA):
        grey += np.float32(weight) * colour[:, :, channel].astype(np.float32)
    return grey


def full_scale(pixels: NDArray[Any]) -> int:
    """The value that counts as white in ``pixels``, of any shape, uint8 or uint16: 255 in 8 bits.

    Files of 16 bits often carry a detector's 10 to 14 bits as they are, with nothing that says so; taken as 16 bits
    they would be almost black. So white is the largest value of the fewest bits, at least 8, that hold the brightest
    pixel. Black stays 0.
    """
    if pixels.dtype.itemsize == 1:
        return 255
    return int((1 << max(8, int(pixels.max()).bit_length())) - 1)
