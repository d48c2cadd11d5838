"""The protocol's answers as HTTP has them: JSON, and behind it the bytes of those tensors that go as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from cxrshift.gateway.oip.http_request import HEADER_LENGTH
from cxrshift.gateway.oip.tensors import BYTES, write_raw
from cxrshift.gateway.oip.values import InferReply, Tensor
from cxrshift_api.json_codec import JsonObject, JsonValue, dump_json
from cxrshift_api.wire import JSON

BINARY = "application/octet-stream"


@dataclass(frozen=True)
class HttpAnswer:
    """A body, its media type and its further headers."""

    body: bytes
    media_type: str
    headers: Mapping[str, str]


def write_infer(reply: InferReply, is_binary: Callable[[str], bool]) -> HttpAnswer:
    """An answer whose outputs are in JSON or behind it, as ``is_binary`` says of each by its name."""
    raw: list[bytes] = []
    outputs: list[JsonValue] = []
    for tensor in reply.outputs:
        told: JsonObject = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.values.shape)}
        if is_binary(tensor.name):
            raw.append(write_raw(tensor))
            told["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            told["data"] = _data(tensor)
        outputs.append(told)
    document: JsonObject = {"model_name": reply.model, "model_version": reply.version}
    document |= {"id": reply.id} if reply.id else {}
    document |= {"parameters": dict(reply.parameters)} if reply.parameters else {}
    text = dump_json(document | {"outputs": outputs})
    if not raw:
        return HttpAnswer(text, JSON, {})
    return HttpAnswer(b"".join([text, *raw]), BINARY, {HEADER_LENGTH: str(len(text))})


def write_metadata(metadata: object) -> bytes:
    """A ModelMetadata or ServerMetadata as JSON: its fields are the protocol's."""
    return dump_json(asdict(metadata))  # type: ignore[call-overload]


def write_error(message: str) -> bytes:
    """What is wrong, in the protocol's form."""
    return dump_json({"error": message})


def _data(tensor: Tensor) -> list[JsonValue]:
    flat: list[JsonValue] = tensor.values.ravel().tolist()
    return [each.decode() for each in flat] if tensor.datatype == BYTES else flat  # type: ignore[union-attr]
