"""The service's methods as values: how each is asked for and read, over gRPC and over REST. No input or output."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from cxrshift_api import codec, json_codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import (
    ClassifyReply,
    ClassifyRequest,
    ExplainOptions,
    ExplainReply,
    ExplainRequest,
    ModelInfo,
)
from cxrshift_api.wire import JSON, PROTOBUF

Query: TypeAlias = tuple[tuple[str, str], ...]
Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True)
class ListModels:
    """The question which models are served."""

    request_id: str = ""
    """Token for tracing, ``[A-Za-z0-9._-]``, at most 64 characters."""


@dataclass(frozen=True)
class HttpForm:
    """A request as HTTP has it.

    ``verb`` is GET or POST, ``path`` begins with a slash, ``query`` holds names with values, ``content`` is the body.
    """

    verb: str
    path: str
    query: Query = ()
    content: bytes = b""
    accept: str = PROTOBUF
    """The form in which the answer is wanted."""


@dataclass(frozen=True)
class Method(Generic[Q, R]):
    """One method of the service: from a request ``Q`` to a reply ``R``.

    ``to_message`` and ``to_http`` make the request, ``from_message`` and ``from_json`` the reply, whose message is of
    the type ``reply``.
    """

    name: str
    """As the gRPC service has it."""
    to_message: Callable[[Q], Message]
    to_http: Callable[[Q], HttpForm]
    reply: type[Message]
    from_message: Callable[[Any], R]
    from_json: Callable[[Any], R]

    def read(self, body: bytes, content_type: str) -> R:
        """The reply in an HTTP body of either form. Raises ValueError where it is neither."""
        form = content_type.partition(";")[0].strip().lower()
        if form == PROTOBUF:
            return self.read_message(body)
        if form == JSON:
            return self.from_json(json.loads(body))
        raise ValueError(f"the answer's form is neither {PROTOBUF} nor {JSON}")

    def read_message(self, body: bytes) -> R:
        """The reply in a serialized message. Raises ValueError."""
        try:
            return self.from_message(self.reply.FromString(body))
        except DecodeError as error:
            raise ValueError("the answer is no message of the contract") from error


def _option_query(options: ExplainOptions) -> Query:
    """Options as query parameters; what is left to the service is left out."""
    plain = ExplainOptions()
    given = [(f.name, getattr(options, f.name)) for f in fields(options) if f.name not in ("findings", "saliency")]
    chosen = tuple((name, str(value)) for name, value in given if value != getattr(plain, name))
    findings = (("finding", finding) for finding in options.findings)
    return (*findings, *chosen, *(("saliency", kind.value) for kind in options.saliency))


def _model_query(model: str) -> Query:
    return (("model", model),) if model else ()


def _explain_http(request: ExplainRequest) -> HttpForm:
    query = _model_query(request.model) + _option_query(request.options)
    return HttpForm("POST", "/v1/explain", query, request.image)


def _classify_http(request: ClassifyRequest) -> HttpForm:
    return HttpForm("POST", "/v1/classify", _model_query(request.model), request.image)


EXPLAIN = Method[ExplainRequest, ExplainReply](
    "Explain",
    codec.encode_explain_request,
    _explain_http,
    pb.ExplainReply,
    codec.decode_explain_reply,
    json_codec.explain_reply_from_json,
)
CLASSIFY = Method[ClassifyRequest, ClassifyReply](
    "Classify",
    codec.encode_classify_request,
    _classify_http,
    pb.ClassifyReply,
    codec.decode_classify_reply,
    json_codec.classify_reply_from_json,
)
LIST_MODELS = Method[ListModels, tuple[ModelInfo, ...]](
    "ListModels",
    lambda request: pb.ListModelsRequest(),
    lambda request: HttpForm("GET", "/v1/models"),
    pb.ListModelsReply,
    codec.decode_models,
    json_codec.models_from_json,
)
