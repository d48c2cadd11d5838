"""The service over gRPC: messages to values and back, problems to status and trailing metadata."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import grpc
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from cxrshift.config import Settings
from cxrshift.errors import CodedError, InvalidRequest
from cxrshift.gateway.access.callers import Visitor
from cxrshift.gateway.calls import Call, CallLog, Deadline
from cxrshift.gateway.health import SERVICES, Health
from cxrshift.gateway.metrics import Metrics, Operation
from cxrshift.gateway.oip.inference import OpenInference
from cxrshift.gateway.oip.rpc import InferenceService
from cxrshift.gateway.readiness import Readiness
from cxrshift.gateway.service import ExplainService
from cxrshift.gateway.status import STATUSES, grpc_problem
from cxrshift.gateway.timing import SERVER_TIMING, server_timing
from cxrshift.gateway.tls import TlsFiles, grpc_credentials
from cxrshift.gateway.tolerance import MalformedMessages
from cxrshift.telemetry import new_request_id, settle_request_id
from cxrshift.tracing import TRACEPARENT
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.explain_pb2_grpc import ExplainerServicer, add_ExplainerServicer_to_server
from cxrshift_api.open_inference_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from cxrshift_api.types import ExplainRequest
from cxrshift_api.wire import API_KEY, REQUEST_ID

_HEAD_START = 0.02
"""Seconds."""


@dataclass(frozen=True)
class _Begun:
    """A call that was let through the door."""

    request_id: str
    deadline: Deadline
    call: Call


class Explainer(ExplainerServicer):
    """cxrshift.v1.Explainer.

    What is refused, such as an InvalidRequest, ends the call with its status and a Problem in its trailing metadata.
    """

    def __init__(self, service: ExplainService, calls: CallLog) -> None:
        self._service = service
        self._calls = calls

    async def Explain(self, request: pb.ExplainRequest, context: Any) -> pb.ExplainReply:  # noqa: N802
        """One radiograph in, an explanation for each finding out."""
        async with self.begin(context, "explain", request.request_id, request.image) as begun:
            worked = await self._service.explain(_read_request(request, begun), begun.deadline)
            context.set_trailing_metadata(((SERVER_TIMING, server_timing(worked.report)),))
            return worked.message

    async def ExplainStream(self, request: pb.ExplainRequest, context: Any) -> AsyncIterator[pb.ExplainEvent]:  # noqa: N802
        """The same, as it becomes ready."""
        async with self.begin(context, "explain_stream", request.request_id, request.image) as begun:
            async for event in self._service.explain_stream(_read_request(request, begun), begun.deadline):
                yield await asyncio.to_thread(codec.encode_event, event)

    async def Classify(self, request: pb.ClassifyRequest, context: Any) -> pb.ClassifyReply:  # noqa: N802
        """Every finding's score."""
        async with self.begin(context, "classify", request.request_id, request.image) as begun:
            asked = replace(codec.decode_classify_request(request), request_id=begun.request_id)
            worked = await self._service.classify(asked, begun.deadline)
            context.set_trailing_metadata(((SERVER_TIMING, server_timing(worked.report)),))
            return codec.encode_classify_reply(worked.reply)

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsReply:  # noqa: N802
        """The models that this service can ask."""
        async with self.begin(context, "list_models", "") as begun:
            return codec.encode_models(await self._service.list_models(begun.deadline))

    @asynccontextmanager
    async def begin(self, context: Any, operation: Operation, named: str, image: bytes = b"") -> AsyncIterator[_Begun]:
        """Watch a call, give it its id and deadline, and turn a CodedError into its status."""
        metadata = _metadata(context)
        given = named or metadata.get(REQUEST_ID)
        refusal: InvalidRequest | None = None
        try:
            request_id = settle_request_id(given)
        except InvalidRequest as error:
            request_id, refusal = new_request_id(), error
        headers = ((REQUEST_ID, request_id),)
        if operation == "explain_stream":
            await context.send_initial_metadata(headers)
        try:
            visitor, parent = _visitor(context, metadata), metadata.get(TRACEPARENT, "")
            async with self._calls.observe("grpc", operation, request_id, visitor, traceparent=parent) as call:
                call.image = image
                if refusal:
                    raise refusal
                yield _Begun(request_id, self._service.deadline(_allowed(context)), call)
            if operation != "explain_stream":
                # With the answer, not before: gRPC's own retries are for calls of which nothing has come back.
                await context.send_initial_metadata(headers)
        except CodedError as error:
            problem = error.to_problem()
            await context.abort(
                STATUSES[problem.code].grpc, problem.message, trailing_metadata=grpc_problem(problem, request_id)
            )


def _allowed(context: Any) -> float | None:
    """Seconds that the caller allows, less a little: so that it hears our Problem before its own clock strikes."""
    remaining: float | None = context.time_remaining()
    return None if remaining is None else remaining - min(_HEAD_START, remaining / 10)


def _visitor(context: Any, metadata: Mapping[str, str]) -> Visitor:
    return Visitor(_host(context.peer()), metadata.get("authorization", ""), metadata.get(API_KEY, ""))


def _host(peer: str) -> str:
    """The host of ``ipv4:10.0.0.7:5123`` and its like; brackets of IPv6 come percent-encoded."""
    kind, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else peer


def _metadata(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _read_request(message: pb.ExplainRequest, begun: _Begun) -> ExplainRequest:
    try:
        return replace(codec.decode_explain_request(message), request_id=begun.request_id)
    except codec.CodecError as error:  # its text names a field, never its content
        raise InvalidRequest(f"The request is malformed: {error}.") from error


def make_grpc_server(
    service: ExplainService, calls: CallLog, metrics: Metrics, readiness: Readiness, settings: Settings
) -> tuple[grpc.aio.Server, int]:
    """A server that is bound, not started, and its port. Raises RuntimeError where the port is taken."""
    server = grpc.aio.server(
        interceptors=[MalformedMessages(metrics)],
        options=[
            # Twice, so that an image somewhat too large is refused in words, and one far too large by gRPC itself.
            ("grpc.max_receive_message_length", 2 * settings.max_request_bytes),
            ("grpc.max_send_message_length", settings.max_reply_bytes),
            ("grpc.so_reuseport", 0),
            # A message is as large as it came: a small one that unpacks to gigabytes is refused.
            ("grpc.compression_enabled_algorithms_bitset", 1),
            ("grpc.server_handshake_timeout_ms", 10_000),
            ("grpc.max_concurrent_streams", settings.max_in_flight + settings.queue + 64),
            # Connections are made anew now and then, so that callers find replicas that came later.
            ("grpc.max_connection_age_ms", 900_000),
            ("grpc.max_connection_age_grace_ms", int(1e3 * settings.max_deadline)),
        ],
    )
    explainer = Explainer(service, calls)
    add_ExplainerServicer_to_server(explainer, server)  # type: ignore[no-untyped-call]
    inference = InferenceService(OpenInference(service, readiness), explainer.begin)
    add_GRPCInferenceServiceServicer_to_server(inference, server)  # type: ignore[no-untyped-call]
    add_HealthServicer_to_server(Health(readiness, period=settings.readiness_period), server)
    reflection.enable_server_reflection(
        (*filter(None, SERVICES), "grpc.health.v1.Health", reflection.SERVICE_NAME), server
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address, files = f"{host}:{settings.grpc_port}", TlsFiles.of(settings)
    if files is None:
        return server, server.add_insecure_port(address)
    return server, server.add_secure_port(address, grpc_credentials(files))
