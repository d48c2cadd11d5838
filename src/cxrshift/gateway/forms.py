"""The forms in which REST gives an answer. Rendering takes up to a second: call these in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from cxrshift.gateway.dicom_form import DICOM, MULTIPART_DICOM, render_multipart, render_single
from cxrshift.gateway.upstream import WorkedExplanation
from cxrshift.pacs.results import ObjectKind
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

ONE_FINDING = frozenset({GIF, WEBP, PNG, MP4, DICOM})
"""Forms that hold the first explanation only."""

_Reply = TypeVar("_Reply")


@dataclass(frozen=True)
class Rendered:
    """An answer's body and its media type, parameters included."""

    body: bytes
    media_type: str


@dataclass(frozen=True)
class Answer:
    """An explanation with what its DICOM forms are made of beside it."""

    worked: WorkedExplanation
    image: bytes
    """The file that was explained."""
    objects: tuple[ObjectKind, ...] = ()
    """What was asked for; none = the form's own choice."""


class Forms(Generic[_Reply]):
    """What one operation offers, the default form first."""

    def __init__(self, renderers: Mapping[str, Callable[[_Reply], bytes | Rendered]]) -> None:
        self._renderers = renderers

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types offered, the default first."""
        return tuple(self._renderers)

    def render(self, reply: _Reply, media_type: str) -> Rendered:
        """The reply in one of the forms offered."""
        made = self._renderers[media_type](reply)
        return made if isinstance(made, Rendered) else Rendered(made, media_type)


EXPLAIN_FORMS: Forms[Answer] = Forms(
    {
        JSON: lambda answer: dump_json(explain_reply_to_json(answer.worked.reply)),
        GIF: lambda answer: render_gif(answer.worked.reply.explanations[0]),
        WEBP: lambda answer: render_webp(answer.worked.reply.explanations[0]),
        PNG: lambda answer: render_overlay(answer.worked.reply.explanations[0]),
        **({MP4: lambda answer: render_mp4(answer.worked.reply.explanations[0])} if has_video() else {}),
        DICOM: lambda answer: render_single(answer.image, answer.worked.reply, answer.objects),
        MULTIPART_DICOM: lambda answer: Rendered(*render_multipart(answer.image, answer.worked.reply, answer.objects)),
        NPZ: lambda answer: render_npz(answer.worked.reply),
        PROTOBUF: lambda answer: codec.to_bytes(answer.worked.message),
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
