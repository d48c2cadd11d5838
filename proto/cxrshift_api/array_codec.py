"""Arrays to protobuf and back, losslessly and with a guard against what a broken peer may send."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import explain_pb2 as pb

MAX_ARRAY_BYTES = 1 << 28
"""Largest array that is unpacked, in bytes: a guard against a decompression bomb from a broken peer."""

MAX_ARRAY_AXES = 8
"""Axes that an array may have at most: no array of the contract has more than three."""


class CodecError(ValueError):
    """A message that does not follow the contract. Its text names the field, never its content."""


def encode_array(array: NDArray[Any], *, compress: bool = False) -> pb.Array:
    """Pack ``array``, of any shape, uint8 or float32; ``compress`` chooses a lossless zlib form suited to its type.

    A stack of frames is stored as differences along its first axis: neighbours are alike, and the differences shrink to
    about a third of what zlib makes of the frames themselves.
    """
    packed = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    message = pb.Array(dtype=array.dtype.name, shape=packed.shape)
    if not compress:
        message.data = packed.tobytes()
    elif packed.dtype == np.uint8 and packed.ndim == 3 and packed.shape[0] > 1:
        deltas = packed.copy()
        deltas[1:] -= packed[:-1]  # modulo 256, undone by a cumulative sum modulo 256
        message.data = zlib.compress(deltas.tobytes(), 1)
        message.encoding = pb.Array.DELTA_ZLIB
    else:
        message.data = zlib.compress(packed.tobytes(), 1)
        message.encoding = pb.Array.ZLIB
    return message


def decode_array(message: pb.Array, field: str) -> NDArray[Any]:
    """The array that ``message`` holds: (N, ...) of its shape and dtype, uint8 or float32.

    Both are checked before any allocation. Raises CodecError, which names ``field``.
    """
    if message.dtype not in ("uint8", "float32"):
        raise CodecError(f"{field}.dtype must be uint8 or float32")
    if message.encoding not in pb.Array.Encoding.values():
        raise CodecError(f"{field}.encoding has the unknown value {message.encoding}")
    if len(message.shape) > MAX_ARRAY_AXES:
        raise CodecError(f"{field}.shape has more than {MAX_ARRAY_AXES} axes")
    is_delta = message.encoding == pb.Array.DELTA_ZLIB
    if is_delta and (message.dtype != "uint8" or not message.shape):
        raise CodecError(f"{field}.encoding DELTA_ZLIB goes with uint8 of at least one axis only")
    dtype = np.dtype(message.dtype).newbyteorder("<")
    size = dtype.itemsize * math.prod(message.shape)
    if size > MAX_ARRAY_BYTES:
        raise CodecError(f"{field} is larger than {MAX_ARRAY_BYTES} bytes")
    data = message.data if message.encoding == pb.Array.RAW else _inflate(message.data, size, field)
    if len(data) != size:
        raise CodecError(f"{field} holds {len(data)} bytes where its shape needs {size}")
    array = np.frombuffer(data, dtype=dtype).reshape(tuple(message.shape)).astype(message.dtype)
    return np.cumsum(array, axis=0, dtype=np.uint8) if is_delta else array


def _inflate(data: bytes, size: int, field: str) -> bytes:
    """At most ``size`` + 1 bytes: one more than should be there tells that there is more."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise CodecError(f"{field} is not valid zlib data") from error
    if len(raw) <= size and not inflater.eof:
        raise CodecError(f"{field} is truncated zlib data")
    return raw
