"""A real server of the contract on 127.0.0.1, over gRPC and over HTTP, whose answers a test chooses."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import grpc

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.explain_pb2_grpc import ExplainerServicer, add_ExplainerServicer_to_server
from cxrshift_api.json_codec import JsonObject, dump_json, event_to_json
from cxrshift_api.types import (
    ClassifyReply,
    ClassifyRequest,
    Explained,
    ExplainOptions,
    ExplainReply,
    ExplainRequest,
    FindingScore,
    HeatmapKind,
    HeatmapReady,
    ModelInfo,
    Problem,
    ProblemCode,
    Profile,
    Progress,
    SaliencyKind,
)
from cxrshift_api.wire import NDJSON
from tests.render.examples import make_reply

Request: TypeAlias = ExplainRequest | ClassifyRequest | None
Answer: TypeAlias = ExplainReply | ClassifyReply | tuple[ModelInfo, ...] | Problem

MODELS = (ModelInfo("phantom", "1.0", "A model.", 128, (FindingScore("Mass", 0.0, 0.4),), default=True),)
CODES: Mapping[ProblemCode, tuple[grpc.StatusCode, int]] = {
    ProblemCode.UNKNOWN_FINDING: (grpc.StatusCode.INVALID_ARGUMENT, 422),
    ProblemCode.FORBIDDEN: (grpc.StatusCode.PERMISSION_DENIED, 403),
    ProblemCode.OVERLOADED: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    ProblemCode.UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, 503),
    ProblemCode.DEADLINE: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    ProblemCode.INTERNAL: (grpc.StatusCode.INTERNAL, 500),
}


def plain_answer(request: Request) -> Answer:
    """What a healthy service says: an explanation for each finding, one score, one model."""
    if isinstance(request, ExplainRequest):
        return make_reply(*request.options.findings, request_id=request.request_id)
    if isinstance(request, ClassifyRequest):
        return ClassifyReply("phantom", "1.0", (FindingScore("Mass", 0.25, 0.4),), request.request_id)
    return MODELS


@dataclass
class Service:
    """What both servers ask for their answers, and what they were asked."""

    answer: Callable[[Request], Answer] = plain_answer
    ready: bool = True
    address: str = ""
    seen: list[Request] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def ask(self, request: Request, headers: Mapping[str, str]) -> Answer:
        self.seen.append(request)
        self.headers.append(headers)
        return self.answer(request)


# ---- gRPC ----


class _Explainer(ExplainerServicer):
    def __init__(self, service: Service) -> None:
        self._service = service

    def Explain(self, message: pb.ExplainRequest, context: Any) -> pb.ExplainReply:  # noqa: N802
        return codec.encode_explain_reply(self._ask(codec.decode_explain_request(message), context))

    def Classify(self, message: pb.ClassifyRequest, context: Any) -> pb.ClassifyReply:  # noqa: N802
        return codec.encode_classify_reply(self._ask(codec.decode_classify_request(message), context))

    def ListModels(self, message: pb.ListModelsRequest, context: Any) -> pb.ListModelsReply:  # noqa: N802
        return codec.encode_models(self._ask(None, context))

    def ExplainStream(self, message: pb.ExplainRequest, context: Any) -> Iterator[pb.ExplainEvent]:  # noqa: N802
        reply = self._ask(codec.decode_explain_request(message), context)
        yield pb.ExplainEvent(progress=pb.Progress(stage="accepted", fraction=0.0))
        yield pb.ExplainEvent()  # as a newer service's unknown event reads
        for explanation in codec.encode_explain_reply(reply).explanations:
            heatmap = pb.Explanation.FromString(explanation.SerializeToString())
            heatmap.frames.CopyFrom(pb.Array(dtype="uint8", shape=[0, 0, 0]))
            yield pb.ExplainEvent(heatmap=heatmap)
            yield pb.ExplainEvent(explanation=explanation)

    def _ask(self, request: Request, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        answer = self._service.ask(request, metadata)
        request_id = metadata.get("x-request-id", "")
        context.send_initial_metadata((("x-request-id", f"{request_id}-served"),))
        if isinstance(answer, Problem):
            problem = codec.to_bytes(codec.encode_problem(answer))
            context.set_trailing_metadata((("cxrshift-problem-bin", problem),))
            context.abort(CODES[answer.code][0], answer.message)
        return answer


@contextmanager
def serve_grpc(service: Service, credentials: grpc.ServerCredentials | None = None) -> Iterator[Service]:
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        add_ExplainerServicer_to_server(_Explainer(service), server)  # type: ignore[no-untyped-call]
        health = grpc.unary_unary_rpc_method_handler(
            lambda request, context: b"\x08\x01" if service.ready else b"\x08\x02"
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": health}),)
        )
        target = "127.0.0.1:0"
        port = server.add_secure_port(target, credentials) if credentials else server.add_insecure_port(target)
        server.start()
        service.address = f"{'grpcs' if credentials else 'grpc'}://127.0.0.1:{port}"
        try:
            yield service
        finally:
            server.stop(None).wait()


# ---- REST ----


def _http_request(path: str, query: Mapping[str, list[str]], body: bytes, request_id: str) -> Request:
    one = {name: values[0] for name, values in query.items()}
    number = {name: float(one[name]) for name in ("lambda_min", "lambda_max", "target_change") if name in one}
    if path == "/v1/classify":
        return ClassifyRequest(body, one.get("model", ""), request_id)
    if path == "/v1/models":
        return None
    options = ExplainOptions(
        findings=tuple(query.get("finding", ())),
        profile=Profile(one.get("profile", "two-sided")),
        frames=int(one["frames"]) if "frames" in one else None,
        heatmap=HeatmapKind(one.get("heatmap", "max")),
        lambda_min=number.get("lambda_min"),
        lambda_max=number.get("lambda_max"),
        target_change=number.get("target_change"),
        saliency=tuple(map(SaliencyKind, query.get("saliency", ()))),
        source_frame=int(one.get("source_frame", "1")),
        least_frames=int(one["least_frames"]) if "least_frames" in one else None,
    )
    return ExplainRequest(body, one.get("model", ""), options, request_id)


def _event_lines(answer: ExplainReply) -> bytes:
    events: list[JsonObject] = [event_to_json(Progress("accepted", 0.0)), {"event": "of a newer service"}]
    for explanation in answer.explanations:
        events.append(event_to_json(HeatmapReady(replace(explanation, frames=explanation.frames[:0]))))
        events.append(event_to_json(Explained(explanation)))
    return b"".join(dump_json(event) + b"\n" for event in events)


def _write(path: str, answer: Any) -> tuple[str, bytes]:
    """An answer's media type and body."""
    if path == "/v1/explain/stream":
        return NDJSON, _event_lines(answer)
    return "application/x-protobuf", _protobuf(answer)


def _protobuf(answer: Any) -> bytes:
    if isinstance(answer, ExplainReply):
        return codec.to_bytes(codec.encode_explain_reply(answer))
    if isinstance(answer, ClassifyReply):
        return codec.to_bytes(codec.encode_classify_reply(answer))
    return codec.to_bytes(codec.encode_models(answer))


def _make_handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/readyz":
                return self.reply(200 if service.ready else 503, {}, b"")
            return self.ask(b"")

        def do_POST(self) -> None:
            self.ask(self.rfile.read(int(self.headers.get("content-length", "0"))))

        def ask(self, body: bytes) -> None:
            url = urlsplit(self.path)
            request_id = self.headers.get("x-request-id", "")
            answer = service.ask(_http_request(url.path, parse_qs(url.query), body, request_id), dict(self.headers))
            headers = {"x-request-id": f"{request_id}-served"}
            if not isinstance(answer, Problem):
                media_type, content = _write(url.path, answer)
                return self.reply(200, headers | {"content-type": media_type}, content)
            if answer.retry_after is not None:
                headers["retry-after"] = str(round(answer.retry_after))
            document = {"code": answer.code, "detail": answer.message, "request_id": request_id}
            headers["content-type"] = "application/problem+json"
            return self.reply(CODES[answer.code][1], headers, json.dumps(document).encode())

        def reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # a caller whose time is up hangs up
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing."""

    return Handler


@contextmanager
def serve_rest(service: Service, tls: ssl.SSLContext | None = None) -> Iterator[Service]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(service)) as server:
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        service.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
