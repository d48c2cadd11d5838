"""The forms in which REST gives an answer. Rendering takes up to a second: call these in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from cxrshift.render.animation import render_gif, render_webp
from cxrshift.render.archive import render_npz
from cxrshift.render.overlay import render_overlay
from cxrshift_api import codec
from cxrshift_api.json_codec import classify_reply_to_json, dump_json, explain_reply_to_json, models_to_json
from cxrshift_api.types import ClassifyReply, ExplainReply, ModelInfo
from cxrshift_api.wire import JSON, PROTOBUF

NPZ = "application/x-npz"
GIF, WEBP, PNG = "image/gif", "image/webp", "image/png"

ONE_FINDING = frozenset({GIF, WEBP, PNG})
"""Forms that hold the first explanation only."""

_Reply = TypeVar("_Reply")


class Forms(Generic[_Reply]):
    """What one operation offers, the default form first."""

    def __init__(self, renderers: Mapping[str, Callable[[_Reply], bytes]]) -> None:
        self._renderers = renderers

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types offered, the default first."""
        return tuple(self._renderers)

    def render(self, reply: _Reply, media_type: str) -> bytes:
        """The reply in one of the forms offered."""
        return self._renderers[media_type](reply)


EXPLAIN_FORMS: Forms[ExplainReply] = Forms(
    {
        JSON: lambda reply: dump_json(explain_reply_to_json(reply)),
        GIF: lambda reply: render_gif(reply.explanations[0]),
        WEBP: lambda reply: render_webp(reply.explanations[0]),
        PNG: lambda reply: render_overlay(reply.explanations[0]),
        NPZ: render_npz,
        PROTOBUF: lambda reply: codec.to_bytes(codec.encode_explain_reply(reply)),
    }
)
CLASSIFY_FORMS: Forms[ClassifyReply] = Forms(
    {
        JSON: lambda reply: dump_json(classify_reply_to_json(reply)),
        PROTOBUF: lambda reply: codec.to_bytes(codec.encode_classify_reply(reply)),
    }
)
MODEL_FORMS: Forms[tuple[ModelInfo, ...]] = Forms(
    {
        JSON: lambda models: dump_json(models_to_json(models)),
        PROTOBUF: lambda models: codec.to_bytes(codec.encode_models(models)),
    }
)
