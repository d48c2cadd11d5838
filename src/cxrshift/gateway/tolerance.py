"""Bytes that are no message of the contract, over gRPC: refused in words, where gRPC itself would say UNKNOWN."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from cxrshift.errors import InvalidRequest
from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.status import STATUSES, grpc_problem
from cxrshift.telemetry import new_request_id

Behaviour = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class _Malformed:
    """Stands where a message should."""


class MalformedMessages(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Answers INVALID_ARGUMENT to what cannot be decoded; every other call goes on untouched."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The method's handler, in front of which a message is looked at; None where there is no such method."""
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.request_deserializer is None:
            return handler  # type: ignore[no-any-return]
        kept = {"request_deserializer": _tolerant(handler.request_deserializer)}
        if handler.response_streaming:
            return handler._replace(unary_stream=self._guard_stream(handler.unary_stream), **kept)  # type: ignore[no-any-return]
        return handler._replace(unary_unary=self._guard(handler.unary_unary), **kept)  # type: ignore[no-any-return]

    def _guard(self, behave: Behaviour) -> Behaviour:
        async def guarded(message: Any, context: Any) -> Any:
            await self._check(message, context)
            return await behave(message, context)

        return guarded

    def _guard_stream(self, behave: Behaviour) -> Behaviour:
        async def guarded(message: Any, context: Any) -> AsyncIterator[Any]:
            await self._check(message, context)
            async for reply in behave(message, context):
                yield reply

        return guarded

    async def _check(self, message: Any, context: Any) -> None:
        if not isinstance(message, _Malformed):
            return
        problem = InvalidRequest("The request is not a message of this method; see its .proto.").to_problem()
        self._metrics.end_call("grpc", "other", problem.code.value, 0.0)
        trailing = grpc_problem(problem, new_request_id())
        await context.abort(STATUSES[problem.code].grpc, problem.message, trailing_metadata=trailing)


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except (DecodeError, UnicodeDecodeError):
            return _Malformed()

    return read
