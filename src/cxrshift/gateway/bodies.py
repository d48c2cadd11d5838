"""The JSON answers as pydantic models, for OpenAPI alone: made from the types, as json_codec makes the answers."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Field, create_model

from cxrshift_api.json_codec import UNLESS_EMPTY
from cxrshift_api.types import (
    ClassifyReply,
    ExplainReply,
    Explanation,
    Float32Array,
    ModelInfo,
    ProblemCode,
    UInt8Array,
)

_NUMBERS: dict[str, Any] = {"lambdas": list[float], "scores": list[list[float]], "radiograph_scores": list[float]}
_DERIVED: dict[type, dict[str, Any]] = {
    Explanation: {
        "score": (float, Field(description="This finding's score at λ = 0, on the reconstruction.")),
        "score_curve": (list[float], Field(description="This finding's score on every frame.")),
        "zero_frame": (int, Field(description="Index of the frame at λ = 0.")),
    }
}


class PackedArray(BaseModel):
    """An array in C order, little-endian."""

    dtype: Literal["uint8", "float32"]
    shape: list[int]
    """Extents, at least 0, first to last axis."""
    data: str = Field(description="base64 of the array's bytes")


class ProblemBody(BaseModel):
    """A refusal or failure (RFC 9457)."""

    type: str
    title: str
    status: int
    """HTTP status, as in the answer's own first line; 400 or more."""
    detail: str = Field(description="What is wrong and what would be right.")
    code: ProblemCode
    request_id: str
    retry_after: float | None = Field(None, description="Seconds after which a retry is sensible.")


def _hint(hint: Any, name: str) -> Any:
    """The JSON type of a field of type ``hint``."""
    if hint in (UInt8Array, Float32Array):
        return _NUMBERS.get(name, PackedArray)
    if get_origin(hint) is tuple:
        return list[_hint(get_args(hint)[0], name)]  # type: ignore[misc]
    return body_of(cast(type, hint)) if is_dataclass(hint) else hint


@cache
def body_of(kind: type) -> type[BaseModel]:
    """The JSON object that tells a dataclass of the contract."""
    hints = get_type_hints(kind)
    names = [f.name for f in fields(cast(Any, kind))]
    members: dict[str, Any] = {name: (_hint(hints[name], name), [] if name in UNLESS_EMPTY else ...) for name in names}
    members |= _DERIVED.get(kind, {})
    return create_model(kind.__name__, __doc__=kind.__doc__, **members)


ExplainBody = body_of(ExplainReply)
ClassifyBody = body_of(ClassifyReply)
ModelsBody = create_model("Models", models=(list[body_of(ModelInfo)], ...))  # type: ignore[misc,arg-type]
