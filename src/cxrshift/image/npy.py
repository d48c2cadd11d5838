"""NPY arrays, read without NumPy's loader: no pickles, and no memory for a size that only a header claims."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidImage, UnsupportedImage
from .grey import full_scale, luminance
from .libraries import reading
from .limits import DecodeLimits

_INTEGERS = (np.dtype(np.bool_), np.dtype(np.uint8), np.dtype(np.uint16))


def decode_npy(data: bytes, limits: DecodeLimits) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1] of an NPY file that holds (H, W), (1, H, W), (H, W, 1) or (H, W, 3).

    bool and uint8 span the scale by their type, uint16 by ``full_scale``; floating values must be in [0, 1]. Raises
    InvalidImage for a file that is malformed, cut short, or holds other floating values; UnsupportedImage for another
    type, shape or version of the format, or too small a picture; TooLarge for one over ``limits``.
    """
    array = _squeeze(_read_array(data, limits))
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise InvalidImage("The NPY array holds floating values outside [0, 1], or NaN; scale it to [0, 1].")
        brightest = 1
    else:
        brightest = 1 if array.dtype == np.bool_ else full_scale(array)
    grey = luminance(array) if array.ndim == 3 else array.astype(np.float32)
    return np.ascontiguousarray(np.clip(grey / np.float32(brightest), 0.0, 1.0))


def _read_array(data: bytes, limits: DecodeLimits) -> NDArray[Any]:
    file = io.BytesIO(data)
    with reading("NPY"):
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise UnsupportedImage("The NPY file has a version other than 1.0 or 2.0; save a plain array.")
        read_header = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
    if dtype.newbyteorder("=") not in _INTEGERS and dtype.kind != "f":
        raise UnsupportedImage("The NPY array must be of bool, uint8, uint16 or a floating type.")
    if len(shape) not in (2, 3):
        raise UnsupportedImage("The NPY array must have the shape (H, W), (1, H, W), (H, W, 1) or (H, W, 3).")
    if min(shape) < 0:
        raise InvalidImage("The NPY file's header has a negative shape.")
    rows, columns, *others = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    limits.check_samples(rows, columns, *others)
    limits.check_sides(rows, columns)
    if len(data) - file.tell() < math.prod(shape) * dtype.itemsize:
        raise InvalidImage("The NPY file is cut short; send a complete one.")
    array: NDArray[Any] = np.frombuffer(data, dtype, math.prod(shape), file.tell())
    return np.reshape(array, shape, order="F" if fortran else "C")


def _squeeze(array: NDArray[Any]) -> NDArray[Any]:
    """(H, W) or (H, W, 3)."""
    if array.ndim == 3 and array.shape[0] == 1:
        return np.squeeze(array, axis=0)
    if array.ndim == 3 and array.shape[2] == 1:
        return np.squeeze(array, axis=2)
    if array.ndim == 3 and array.shape[2] != 3:
        raise UnsupportedImage("The NPY array must have the shape (H, W), (1, H, W), (H, W, 1) or (H, W, 3).")
    return array
