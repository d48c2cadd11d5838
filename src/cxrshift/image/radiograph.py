"""A decoded radiograph, as every later stage sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Radiograph:
    """One projection radiograph on a fixed scale, free of its file format and of everything about the patient.

    ``pixels`` is (H, W) float32 in [0, 1]: 0 the darkest and 1 the brightest value that the source can show, bone
    bright and air dark (MONOCHROME2). ``source`` says what it was decoded from: "dicom", "png", "jpeg", "npy" or
    "array".
    """

    pixels: NDArray[np.float32]
    source: str = "array"

    @property
    def height(self) -> int:
        """Rows of the source image."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the source image."""
        return int(self.pixels.shape[1])
