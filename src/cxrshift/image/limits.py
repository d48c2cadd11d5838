"""What is refused for its size, before anything of it is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import TooLarge, UnsupportedImage


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds of what is decoded; the defaults leave room for the largest detectors (about 5000 x 4000 pixels)."""

    max_bytes: int = 64 << 20
    """Largest file, and largest DICOM data set once inflated, in bytes."""
    max_samples: int = 100_000_000
    """Most stored values: rows x columns x frames x samples per pixel."""
    min_side: int = 16
    """Fewest rows and columns; nothing smaller shows a chest."""

    def check_bytes(self, count: int) -> None:
        """Raise TooLarge for a file, or an inflated data set, of more than ``max_bytes``."""
        if count > self.max_bytes:
            raise TooLarge(f"The file is too large; at most {self.max_bytes} bytes are read, inflated or not.")

    def check_samples(self, *extents: int) -> None:
        """Raise TooLarge for an image of these extents: rows, columns, frames, samples per pixel."""
        if math.prod(extents) > self.max_samples:
            raise TooLarge(f"The image holds too many pixels; at most {self.max_samples} values are decoded.")

    def check_sides(self, rows: int, columns: int) -> None:
        """Raise UnsupportedImage for an image that is too small to be a radiograph."""
        if min(rows, columns) < self.min_side:
            raise UnsupportedImage(
                f"The image is too small for a radiograph; it needs at least {self.min_side} rows and columns."
            )


DEFAULT_LIMITS = DecodeLimits()
