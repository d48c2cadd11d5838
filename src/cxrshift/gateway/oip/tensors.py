"""Tensors to the protocol's bytes and back, with every length checked before it is believed.

Raw bytes are in C order, little-endian; an element of BYTES is its length in four bytes and then itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrshift.errors import InvalidRequest
from cxrshift.gateway.oip.values import Tensor

BYTES = "BYTES"
DTYPES: Mapping[str, np.dtype[Any]] = {"UINT8": np.dtype("<u1"), "UINT16": np.dtype("<u2"), "FP32": np.dtype("<f4")}
"""The protocol's names of what is taken and given here, beside BYTES."""
_MAX_AXES = 8
_LENGTH = 4


def read_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> Tensor:
    """A tensor from its raw bytes. ``name`` must be one of ours: messages tell it. Raises InvalidRequest."""
    size = check_shape(name, shape)
    if datatype == BYTES:
        return _strings(name, shape, size, _split(name, raw, size))
    dtype = _dtype(name, datatype)
    if len(raw) != size * dtype.itemsize:
        raise InvalidRequest(
            f"The tensor {name} has {len(raw)} bytes where its shape and datatype need {size * dtype.itemsize}."
        )
    return Tensor(name, datatype, np.frombuffer(raw, dtype).reshape(tuple(shape)))


def read_strings(name: str, shape: Sequence[int], elements: Sequence[bytes]) -> Tensor:
    """A tensor of BYTES from its elements. Raises InvalidRequest."""
    return _strings(name, shape, check_shape(name, shape), elements)


def read_numbers(name: str, datatype: str, shape: Sequence[int], numbers: Any) -> Tensor:
    """A tensor from numbers, nested or flat. Raises InvalidRequest for what its datatype cannot hold."""
    size, dtype = check_shape(name, shape), _dtype(name, datatype)
    wrong = InvalidRequest(f"The data of the tensor {name} must be {size} numbers that {datatype} can hold, as a list.")
    try:
        given = np.asarray(numbers)
    except (ValueError, OverflowError) as error:  # lists of unequal length, or nested without end
        raise wrong from error
    if given.size != size or given.dtype.kind not in ("iuf" if dtype.kind == "f" else "iu"):
        raise wrong
    if dtype.kind == "u" and (given.min() < 0 or given.max() > np.iinfo(dtype).max):
        raise wrong
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused as such
        return Tensor(name, datatype, given.astype(dtype).reshape(tuple(shape)))


def check_shape(name: str, shape: Sequence[int]) -> int:
    """The number of elements of a shape. Raises InvalidRequest."""
    if not 1 <= len(shape) <= _MAX_AXES or min(shape) < 1:
        raise InvalidRequest(f"The shape of the tensor {name} must have 1 to {_MAX_AXES} extents, each at least 1.")
    return math.prod(shape)


def write_raw(tensor: Tensor) -> bytes:
    """A tensor's raw bytes."""
    if tensor.datatype != BYTES:
        return np.ascontiguousarray(tensor.values, DTYPES[tensor.datatype]).tobytes()
    return b"".join(len(each).to_bytes(_LENGTH, "little") + each for each in tensor.values.ravel())


def strings(name: str, elements: Sequence[bytes]) -> Tensor:
    """A tensor of BYTES with one axis, as long as ``elements``."""
    return _strings(name, (len(elements),), len(elements), elements)


def _strings(name: str, shape: Sequence[int], size: int, elements: Sequence[bytes]) -> Tensor:
    if len(elements) != size:
        raise InvalidRequest(f"The tensor {name} has {len(elements)} elements where its shape needs {size}.")
    values: NDArray[Any] = np.empty(size, object)
    values[:] = elements
    return Tensor(name, BYTES, values.reshape(tuple(shape)))


def _split(name: str, raw: bytes, most: int) -> list[bytes]:
    """The elements of raw BYTES; stops at one more than there should be, however many a short message claims."""
    elements: list[bytes] = []
    position = 0
    while position < len(raw) and len(elements) <= most:
        start = position + _LENGTH
        position = start + int.from_bytes(raw[position:start], "little")
        if start > len(raw) or position > len(raw):
            raise InvalidRequest(f"The tensor {name} is cut short: an element is longer than what is there.")
        elements.append(raw[start:position])
    return elements


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    if datatype not in DTYPES:
        raise InvalidRequest(f"The datatype of the tensor {name} must be one of: {BYTES}, {', '.join(DTYPES)}.")
    return DTYPES[datatype]
