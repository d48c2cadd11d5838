"""Types to JSON and back: the form of a REST answer, for the service that writes it and the client that reads it.

A dataclass is an object with its fields' names, a tuple a list, an enumeration its value. Numbers that a person reads
(λs and scores) are lists; images (frames, heatmap, radiograph) are objects of ``dtype``, ``shape`` and ``data``, the
last being base64 of the array in C order, little-endian. A number that is not finite is null. A reader ignores names
it does not know, so that a newer service can say more. Both directions are exact: each array comes back bit for bit.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from .types import (
    ClassifyReply,
    Explained,
    ExplainEvent,
    ExplainReply,
    Explanation,
    Float32Array,
    HeatmapReady,
    ModelInfo,
    Problem,
    ProblemCode,
    Progress,
    UInt8Array,
)

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"
_Value = TypeVar("_Value")

_ARRAYS: Mapping[object, str] = {UInt8Array: "uint8", Float32Array: "float32"}
_NUMBER_LISTS = {"lambdas", "scores", "radiograph_scores"}
"""Arrays small enough to be read: lists of numbers, the others base64."""
UNLESS_EMPTY = {"saliency"}
"""Fields that are left out where they are empty: who asks for no map gets the answer that there was before maps."""


class JsonCodecError(ValueError):
    """JSON that does not follow the contract. Its text names the place, never its content."""


def explain_reply_to_json(reply: ExplainReply) -> JsonObject:
    """A reply as a JSON object; each explanation also tells its ``score``, ``score_curve`` and ``zero_frame``."""
    return {
        "request_id": reply.request_id,
        "explanations": [explanation_to_json(explanation) for explanation in reply.explanations],
    }


def explain_reply_from_json(value: JsonValue) -> ExplainReply:
    """The reply that a JSON object tells. Raises JsonCodecError."""
    return _read(value, ExplainReply)


def classify_reply_to_json(reply: ClassifyReply) -> JsonObject:
    """A reply as a JSON object."""
    return _object(reply)


def classify_reply_from_json(value: JsonValue) -> ClassifyReply:
    """The reply that a JSON object tells. Raises JsonCodecError."""
    return _read(value, ClassifyReply)


def models_to_json(models: Sequence[ModelInfo]) -> JsonObject:
    """The served models as a JSON object with one member, ``models``."""
    return {"models": [_object(model) for model in models]}


def models_from_json(value: JsonValue) -> tuple[ModelInfo, ...]:
    """The models that a JSON object tells. Raises JsonCodecError."""
    if not isinstance(value, Mapping):
        raise JsonCodecError("the answer must be an object")
    return cast("tuple[ModelInfo, ...]", _from_json(value.get("models"), tuple[ModelInfo, ...], "models"))


def event_to_json(event: ExplainEvent) -> JsonObject:
    """An event of a stream as a JSON object, whose ``event`` says which it is: progress, heatmap or explanation."""
    if isinstance(event, Progress):
        return {"event": "progress", "stage": event.stage, "fraction": event.fraction}
    kind = "heatmap" if isinstance(event, HeatmapReady) else "explanation"
    return {"event": kind, "explanation": explanation_to_json(event.explanation)}


def event_from_json(value: JsonValue) -> ExplainEvent | None:
    """The event that a JSON object tells; None for one of a newer service. Raises JsonCodecError."""
    if not isinstance(value, Mapping) or not isinstance(value.get("event"), str):
        raise JsonCodecError("event must be a string")
    kind = value["event"]
    if kind == "progress":
        return _read(value, Progress)
    if kind not in ("heatmap", "explanation"):
        return None
    explanation = cast("Explanation", _from_json(value.get("explanation"), Explanation, "explanation"))
    return HeatmapReady(explanation) if kind == "heatmap" else Explained(explanation)


def problem_from_json(value: JsonValue) -> Problem:
    """The Problem that an ``application/problem+json`` object tells; a code from a newer service reads as INTERNAL.

    Raises JsonCodecError where the object has no ``code``: then no cxrshift service wrote it.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("code"), str):
        raise JsonCodecError("code must be a string")
    known = value["code"] in ProblemCode.__members__
    retry_after = value.get("retry_after")
    return Problem(
        ProblemCode(str(value["code"])) if known else ProblemCode.INTERNAL,
        str(value.get("detail", "")),
        float(retry_after) if isinstance(retry_after, int | float) else None,
    )


def dump_json(value: JsonValue) -> bytes:
    """JSON text in UTF-8, without spaces."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


# ---- writing ----


def explanation_to_json(explanation: Explanation) -> JsonObject:
    """One explanation as a JSON object."""
    derived: JsonObject = {
        "score": _shortest(np.float32(explanation.score)),
        "score_curve": _numbers(explanation.score_curve),
        "zero_frame": explanation.zero_frame,
    }
    return _object(explanation) | derived


def _object(value: object) -> JsonObject:
    members = {f.name: getattr(value, f.name) for f in fields(cast(Any, value))}
    return {name: _to_json(own, name) for name, own in members.items() if name not in UNLESS_EMPTY or own}


def _to_json(value: object, name: str) -> JsonValue:
    if isinstance(value, np.ndarray):
        return _numbers(value) if name in _NUMBER_LISTS else _array(value)
    if is_dataclass(value):
        return _object(value)
    if isinstance(value, tuple):
        return [_to_json(item, name) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return cast(JsonValue, value)


def _array(array: np.ndarray[Any, Any]) -> JsonObject:
    packed = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(packed.tobytes()).decode("ascii"),
    }


def _numbers(array: np.ndarray[Any, Any]) -> list[JsonValue]:
    return [_numbers(row) if array.ndim > 1 else _shortest(row) for row in array]


def _shortest(number: np.float32) -> float | None:
    """The shortest decimal that reads back as the same float32: 0.1, not 0.10000000149011612."""
    return float(str(number)) if np.isfinite(number) else None


# ---- reading ----


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(value: JsonValue, kind: type[_Value]) -> _Value:
    return cast(_Value, _from_json(value, kind, ""))


def _from_json(value: JsonValue, hint: Any, path: str) -> object:
    """The value of type ``hint`` that ``value`` tells; ``path`` says where it stands, for a message."""
    where = path or "the answer"
    if hint in _ARRAYS:
        return _read_array(value, _ARRAYS[hint], where)
    if get_origin(hint) in (Union, types.UnionType):  # every union here is "or None"
        return None if value is None else _from_json(value, get_args(hint)[0], path)
    if get_origin(hint) is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise JsonCodecError(f"{where} must be a list")
        return tuple(_from_json(item, get_args(hint)[0], f"{path}[{i}]") for i, item in enumerate(value))
    if is_dataclass(hint):
        return _read_object(value, cast(type, hint), path)
    return _read_plain(value, hint, where)


def _read_object(value: JsonValue, kind: type, path: str) -> object:
    if not isinstance(value, Mapping):
        raise JsonCodecError(f"{path or 'the answer'} must be an object")
    members: dict[str, object] = {}
    for f in fields(kind):
        place = f"{path}.{f.name}".lstrip(".")
        if f.name in value:
            members[f.name] = _from_json(value[f.name], _hints(kind)[f.name], place)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise JsonCodecError(f"{place} is missing")
    return cast(object, kind(**members))


def _read_plain(value: JsonValue, kind: type, where: str) -> object:
    if kind is float:
        if value is None:
            return math.nan
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif issubclass(kind, StrEnum):
        if value in [member.value for member in kind]:
            return kind(str(value))
    elif type(value) is kind:
        return value
    raise JsonCodecError(f"{where} must be a valid {kind.__name__}")


def _read_array(value: JsonValue, dtype: str, where: str) -> np.ndarray[Any, Any]:
    try:
        if isinstance(value, Mapping):
            return _read_packed(value, dtype, where)
        return np.array(value, dtype=dtype)  # null reads as NaN
    except (binascii.Error, TypeError, ValueError) as error:
        if isinstance(error, JsonCodecError):
            raise
        raise JsonCodecError(f"{where} is not an array of {dtype}") from error


def _read_packed(value: Mapping[str, JsonValue], dtype: str, where: str) -> np.ndarray[Any, Any]:
    if value.get("dtype") != dtype:
        raise JsonCodecError(f"{where}.dtype must be {dtype}")
    shape, data = value.get("shape"), value.get("data")
    if not isinstance(data, str) or not isinstance(shape, Sequence):
        raise JsonCodecError(f"{where} must have shape and data")
    extents = [int(cast(int, extent)) for extent in shape]
    raw = base64.b64decode(data, validate=True)
    if any(extent < 0 for extent in extents) or len(raw) != math.prod(extents) * np.dtype(dtype).itemsize:
        raise JsonCodecError(f"{where}.data does not have the bytes that its shape needs")
    return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).reshape(extents).astype(dtype)
