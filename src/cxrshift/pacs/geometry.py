"""From a model's square, small and upright, back to the stored pixels of the radiograph that it was cut from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import Float32Array

from ..image.radiograph import Radiograph


def spread_map(values: Float32Array, radiograph: Radiograph) -> Float32Array:
    """``values`` (S, S) of a model's input to (rows, columns) of the stored picture; 0 beyond what the model saw.

    Bilinear between the centres of the model's pixels, the reverse of how the square was made smaller: value i of S
    belongs to (i + 1/2) side/S − 1/2 of the square's own pixels.
    """
    square = radiograph.square
    whole = np.zeros(radiograph.pixels.shape, np.float32)
    whole[square.slices] = _enlarge(_enlarge(values, square.side).T, square.side).T
    return radiograph.turn.undo(whole)


def place_points(points: NDArray[np.float64], size: int, radiograph: Radiograph) -> NDArray[np.float64]:
    """``points`` (N, 2) among the ``size`` x ``size`` pixels of a model's input, to (N, 2) in the stored picture.

    Both are (x, y) and count as DICOM's spatial coordinates do (PS3.3 C.18.6.1.1): (0, 0) is the outer corner of the
    first pixel.
    """
    square = radiograph.square
    upright = points * (square.side / size) + (square.left, square.top)
    return radiograph.turn.undo_points(upright, radiograph.height, radiograph.width)


def _enlarge(values: Float32Array, length: int) -> Float32Array:
    """(N, M) to (``length``, M), linear along the first axis, the ends held."""
    place = np.clip((np.arange(length) + 0.5) * (len(values) / length) - 0.5, 0, len(values) - 1)
    low = np.floor(place).astype(np.intp)
    share = (place - low).astype(np.float32)[:, None]
    return np.asarray(values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share, np.float32)
