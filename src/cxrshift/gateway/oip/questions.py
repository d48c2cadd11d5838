"""What an infer request asks: its radiograph and its options, checked as REST checks its query parameters."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from cxrshift.errors import InvalidRequest
from cxrshift.gateway.oip.tensors import BYTES, DTYPES
from cxrshift.gateway.oip.values import InferRequest, Parameter, Tensor, TensorInfo
from cxrshift.gateway.rest_query import REPEATABLE, ExplainQuery
from cxrshift_api.types import ExplainOptions

IMAGE = TensorInfo("image", BYTES, (1,))
PIXELS = TensorInfo("pixels", "FP32", (-1, -1))
INPUTS = (IMAGE, PIXELS)
_NAMES = tuple(info.name for info in INPUTS)
PARAMETERS = tuple(name for name in ExplainQuery.model_fields if name not in ("model", "object"))
_MICROSECONDS = 1e-6
_ONE_BY_ONE = "send one radiograph per request, and several requests at once: the service batches them."


@dataclass(frozen=True)
class Question:
    """What is asked about which radiograph."""

    image: bytes
    """A DICOM, PNG, JPEG or NPY file."""
    options: ExplainOptions
    timeout: float | None
    """Seconds; None = not said."""


def check_name(name: str) -> str:
    """``name`` where it is one of the inputs. Raises InvalidRequest without repeating another."""
    if name not in _NAMES:
        raise InvalidRequest(f"There is an input that is not known here; known are: {', '.join(_NAMES)}.")
    return name


def read_question(request: InferRequest) -> Question:
    """What ``request`` asks. Raises InvalidRequest."""
    if len(request.inputs) != 1:
        raise InvalidRequest(f"There must be exactly one input: {' or '.join(_NAMES)}.")
    [tensor] = request.inputs
    options, timeout = read_parameters(request.parameters)
    return Question(_read_image(tensor) if tensor.name == IMAGE.name else _read_pixels(tensor), options, timeout)


def read_parameters(given: Mapping[str, Parameter]) -> tuple[ExplainOptions, float | None]:
    """The options, and the timeout in seconds, which here as in Triton is given in microseconds.

    Raises InvalidRequest for a parameter that is unknown or has no meaning.
    """
    if not given.keys() <= set(PARAMETERS):
        raise InvalidRequest(f"There is a parameter that is not known here; known are: {', '.join(PARAMETERS)}.")
    listed: dict[str, object] = {}
    for name, value in given.items():
        if name in REPEATABLE and not isinstance(value, str):
            raise InvalidRequest(f"The parameter {name} must be a string.")
        listed[name] = [value] if name in REPEATABLE else value
    try:
        query = ExplainQuery.model_validate(listed)
    except ValidationError as error:  # pydantic's msg does not quote the input
        said = (f"The parameter {complaint['loc'][0]} is wrong: {complaint['msg']}." for complaint in error.errors())
        raise InvalidRequest(" ".join(dict.fromkeys(said))) from error
    return query.to_options(), None if query.timeout is None else query.timeout * _MICROSECONDS


def _read_image(tensor: Tensor) -> bytes:
    if tensor.datatype != BYTES:
        raise InvalidRequest("The input image must be BYTES: a DICOM, PNG, JPEG or NPY file. An array goes as pixels.")
    if tensor.values.size != 1:
        raise InvalidRequest(f"The input image must have the shape [1]: {_ONE_BY_ONE}")
    file: bytes = tensor.values.ravel()[0]
    return file


def _read_pixels(tensor: Tensor) -> bytes:
    """The NPY file of these pixels, which so mean here what they mean there."""
    if tensor.datatype not in DTYPES:
        raise InvalidRequest(f"The input pixels must be one of: {', '.join(DTYPES)}. A file goes as image.")
    values = tensor.values
    while values.ndim > 2 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        raise InvalidRequest(f"The input pixels must have the shape [H, W], [1, H, W] or [1, 1, H, W]: {_ONE_BY_ONE}")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise InvalidRequest("The input pixels holds FP32 values outside [0, 1], or NaN; scale it to [0, 1].")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, values, version=(1, 0))
    return buffer.getvalue()


def check_outputs(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The outputs wanted, each once, all where none is named. Raises InvalidRequest."""
    if not set(names) <= set(known):
        raise InvalidRequest(f"There is an output that is not known here; known are: {', '.join(known)}.")
    return tuple(dict.fromkeys(names)) or tuple(known)
