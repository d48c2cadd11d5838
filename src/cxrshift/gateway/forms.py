"""The forms in which REST gives an answer. Rendering takes up to a second: call these in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from cxrshift.gateway.upstream import WorkedExplanation
from cxrshift.render.animation import render_gif, render_webp
from cxrshift.render.archive import render_npz
from cxrshift.render.overlay import render_overlay
from cxrshift.render.video import has_video, render_mp4
from cxrshift_api import codec
from cxrshift_api.json_codec import classify_reply_to_json, dump_json, explain_reply_to_json, models_to_json
from cxrshift_api.types import ClassifyReply, ModelInfo
from cxrshift_api.wire import JSON, PROTOBUF

NPZ = "application/x-npz"
GIF, WEBP, PNG, MP4 = "image/gif", "image/webp", "image/png", "video/mp4"

ONE_FINDING = frozenset({GIF, WEBP, PNG, MP4})
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


EXPLAIN_FORMS: Forms[WorkedExplanation] = Forms(
    {
        JSON: lambda worked: dump_json(explain_reply_to_json(worked.reply)),
        GIF: lambda worked: render_gif(worked.reply.explanations[0]),
        WEBP: lambda worked: render_webp(worked.reply.explanations[0]),
        PNG: lambda worked: render_overlay(worked.reply.explanations[0]),
        **({MP4: lambda worked: render_mp4(worked.reply.explanations[0])} if has_video() else {}),
        NPZ: lambda worked: render_npz(worked.reply),
        PROTOBUF: lambda worked: codec.to_bytes(worked.message),
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
