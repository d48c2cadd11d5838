"""A decoded radiograph, as every later stage sees it, and the way from what a model sees back to its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Turn:
    """How a file's picture was set upright: its axes swapped, then rows and columns reversed; the three in this order.

    These are the eight ways to lay a picture on a table, mirror images included.
    """

    transpose: bool = False
    """Whether rows and columns are swapped."""
    reverse_rows: bool = False
    """Whether the rows are then turned upside down."""
    reverse_columns: bool = False
    """Whether the columns are then turned left to right."""

    def apply(self, picture: NDArray[_T]) -> NDArray[_T]:
        """``picture`` (H, W), of any type and units, as the file has it, to (H, W) or (W, H) upright, contiguous."""
        upright = picture.T if self.transpose else picture
        upright = upright[::-1] if self.reverse_rows else upright
        return np.ascontiguousarray(upright[:, ::-1] if self.reverse_columns else upright)

    def undo(self, picture: NDArray[_T]) -> NDArray[_T]:
        """``picture``, (H, W) upright and of any type, as the file has it: (H, W) or (W, H), the inverse of ``apply``.

        A map of a picture is turned like the picture.
        """
        given = picture[:, ::-1] if self.reverse_columns else picture
        given = given[::-1] if self.reverse_rows else given
        return np.ascontiguousarray(given.T if self.transpose else given)

    def undo_points(self, points: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
        """(N, 2) float64: points of an upright picture of ``height`` by ``width`` as places in the file's picture.

        ``points`` (N, 2) of any type are (x, y) in pixels from the outer corner of the first pixel, whose centre is
        (0.5, 0.5).
        """
        x, y = np.asarray(points, np.float64).T
        x = width - x if self.reverse_columns else x
        y = height - y if self.reverse_rows else y
        return np.stack([y, x] if self.transpose else [x, y], axis=1)


UPRIGHT = Turn()


@dataclass(frozen=True)
class Square:
    """The part of a radiograph that a model is shown: ``side`` pixels each way from row ``top`` and column ``left``."""

    top: int
    left: int
    side: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the square."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


@dataclass(frozen=True)
class Radiograph:
    """One projection radiograph on a fixed scale, free of its file format and of everything about the patient.

    ``pixels`` is (H, W) float32 in [0, 1]: 0 the darkest and 1 the brightest value that the source can show, bone
    bright and air dark (MONOCHROME2), upright where the source says how it lies. ``source`` says what it was decoded
    from: "dicom", "png", "jpeg", "npy" or "array"; ``turn`` how the source's picture was set upright; ``doubts`` what
    the source says of itself that speaks against a frontal view of the chest, in sentences.
    """

    pixels: NDArray[np.float32]
    source: str = "array"
    turn: Turn = UPRIGHT
    doubts: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Rows of the upright image."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the upright image."""
        return int(self.pixels.shape[1])

    @property
    def square(self) -> Square:
        """The central square, the largest there is: every model sees this part and no other."""
        side = min(self.height, self.width)
        return Square((self.height - side) // 2, (self.width - side) // 2, side)
