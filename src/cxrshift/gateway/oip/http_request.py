"""An infer request as HTTP has it: a JSON object, and behind it the bytes of those tensors that came as they are."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cxrshift.errors import InvalidRequest
from cxrshift.gateway.oip.questions import IMAGE, check_name
from cxrshift.gateway.oip.tensors import BYTES, read_numbers, read_raw, read_strings, strings
from cxrshift.gateway.oip.values import InferRequest, Parameter, Tensor

HEADER_LENGTH = "inference-header-content-length"
_BINARY_OUTPUT = "binary_data_output"


@dataclass(frozen=True)
class HttpInfer:
    """A request, and which outputs its caller wants as raw bytes."""

    request: InferRequest
    is_binary: Callable[[str], bool]


def _drop_nulls(given: Any) -> Any:
    """A member that is null is as good as an absent one: some clients write them all."""
    return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    _drop = model_validator(mode="before")(_drop_nulls)


_Parameters = Annotated[dict[str, Parameter], BeforeValidator(_drop_nulls)]


class _Input(_Part):
    name: str
    datatype: str
    shape: list[int]
    parameters: _Parameters = {}
    data: Any = None


class _Output(_Part):
    name: str
    parameters: _Parameters = {}


class _Document(_Part):
    id: str = ""
    parameters: _Parameters = {}
    inputs: list[_Input] = Field(max_length=16)
    outputs: list[_Output] = Field([], max_length=64)


def read_infer(body: bytes, header_length: str | None, model: str, version: str) -> HttpInfer:
    """Read a whole body. Raises InvalidRequest, never with the caller's own words."""
    length = _header_length(header_length, len(body))
    if header_length is not None and length == 0:  # the protocol's short form: the body is the one input
        return HttpInfer(InferRequest((strings(IMAGE.name, [body]),), model=model, version=version), lambda name: True)
    document = _parse(body[:length])
    parameters = dict(document.parameters)
    by_default = parameters.pop(_BINARY_OUTPUT, False)
    chosen = {output.name: output.parameters.get("binary_data", by_default) for output in document.outputs}
    if any("classification" in output.parameters for output in document.outputs):
        raise InvalidRequest("The extension classification is not offered; findings has the names of the classes.")
    request = InferRequest(
        inputs=_read_inputs(document.inputs, memoryview(body)[length:]),
        outputs=tuple(output.name for output in document.outputs),
        parameters=parameters,
        model=model,
        version=version,
        id=document.id,
    )
    return HttpInfer(request, lambda name: bool(chosen.get(name, by_default)))


def _header_length(told: str | None, body: int) -> int:
    if told is None:
        return body
    if not (told.isascii() and told.isdigit() and len(told) < 12) or int(told) > body:
        raise InvalidRequest(
            "Inference-Header-Content-Length must be the number of bytes of the JSON that the body begins with."
        )
    return int(told)


def _parse(text: bytes) -> _Document:
    try:
        return _Document.model_validate(json.loads(text, parse_constant=_refuse_constant))
    except ValidationError as error:
        raise InvalidRequest(" ".join(dict.fromkeys(map(_say, error.errors())))) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            "The body is not the JSON of an infer request. Where binary tensors follow it, "
            "Inference-Header-Content-Length must tell where the JSON ends; NaN and Infinity are no JSON."
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _say(complaint: Any) -> str:
    """The complaint without the caller's own words: of a place, only what the protocol names."""
    ours = {*_Document.model_fields, *_Input.model_fields}
    place = ".".join(str(step) for step in complaint["loc"] if isinstance(step, int) or step in ours)
    if place.endswith("parameters"):
        return f"{place} is wrong: it must be an object of booleans, numbers and strings."
    return f"{place or 'The request'} is wrong: {complaint['msg']}."


def _read_inputs(inputs: Sequence[_Input], raw: memoryview) -> tuple[Tensor, ...]:
    tensors = []
    for one in inputs:
        name, size = check_name(one.name), one.parameters.get("binary_data_size")
        if size is None:
            tensors.append(_read_data(one))
            continue
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(raw) or one.data is not None:
            raise InvalidRequest(
                f"binary_data_size of the input {name} must be a number of bytes that follow the JSON, without data."
            )
        tensors.append(read_raw(name, one.datatype, one.shape, bytes(raw[:size])))
        raw = raw[size:]
    if raw:
        raise InvalidRequest("There are more bytes behind the JSON than its binary_data_size say.")
    return tuple(tensors)


def _read_data(one: _Input) -> Tensor:
    if one.data is None:
        raise InvalidRequest(
            f"The input {one.name} has no data: give data, or binary_data_size with the bytes behind the JSON. "
            "Shared memory is not offered."
        )
    if one.datatype != BYTES:
        return read_numbers(one.name, one.datatype, one.shape, one.data)
    elements = one.data if isinstance(one.data, list) else [one.data]
    try:
        # A file is no text: where JSON must hold it, base64 does, as KServe's runtimes have it.
        return read_strings(one.name, one.shape, [base64.b64decode(each, validate=True) for each in elements])
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidRequest(f"The data of the input {one.name} must be base64 of the file, as a string.") from error
