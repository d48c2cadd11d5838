"""gRPC: a message each way, a Problem in the trailing metadata of a failed call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ExplainEvent, ExplainRequest, Problem, ProblemCode
from cxrshift_api.wire import PROBLEM_METADATA, REQUEST_ID

from .errors import ExplainerError, error_of, foreign_answer, unreachable
from .methods import Method
from .transports import Address, Connection

Q = TypeVar("Q")
R = TypeVar("R")
Metadata: TypeAlias = tuple[tuple[str, str], ...]

_SERVICE = "/cxrshift.v1.Explainer/"
_HEALTH = "/grpc.health.v1.Health/Check"
_WHOLE_SERVER, _SERVING = b"", b"\x08\x01"
"""A HealthCheckRequest for no service in particular, and a HealthCheckResponse whose one field, status, is SERVING."""
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A channel that lost its service fails calls at once until it tries again by itself: of its own accord up to two
    # minutes later, in which every attempt of Retry would be in vain.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

_TOO_LARGE = Problem(ProblemCode.TOO_LARGE, "The image is larger than the service takes.")
_BARE_STATUS = {
    grpc.StatusCode.DEADLINE_EXCEEDED: Problem(ProblemCode.DEADLINE, "The answer did not come within the timeout."),
    grpc.StatusCode.CANCELLED: Problem(ProblemCode.CANCELLED, "The call was cancelled."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: Problem(ProblemCode.OVERLOADED, "The service has no room for this call."),
    grpc.StatusCode.UNAUTHENTICATED: Problem(ProblemCode.UNAUTHENTICATED, "The service wants to know who calls."),
    grpc.StatusCode.PERMISSION_DENIED: Problem(ProblemCode.FORBIDDEN, "The service does not let this caller in."),
    grpc.StatusCode.UNKNOWN: Problem(ProblemCode.INTERNAL, "The service failed without saying why."),
    grpc.StatusCode.INTERNAL: Problem(ProblemCode.INTERNAL, "The service failed without saying why."),
}
"""What a status means that came without a Problem: from gRPC itself, or from a proxy on the way."""


class GrpcTransport:
    """Blocking calls over one channel; safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._address = connection.address
        self._call_headers = connection.call_headers
        credentials = _credentials(connection)
        if credentials is None:
            self._channel = grpc.insecure_channel(self._address.target, _OPTIONS)
        else:
            self._channel = grpc.secure_channel(self._address.target, credentials, _OPTIONS)

    def send(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """One call. Raises ExplainerError, of the kind that the Problem or the bare status says."""
        call = self._channel.unary_unary(_SERVICE + method.name, _as_is, _as_is)
        try:
            data: bytes = call(_bytes(method, request), seconds, self._with(request_id))
        except grpc.RpcError as error:
            raise _translate(error, self._address, request_id) from error
        return _read(method, data, self._address, request_id)

    def stream(self, request: ExplainRequest, seconds: float | None) -> Iterator[ExplainEvent]:
        """Explain, as it becomes ready; leaving the iterator cancels the call.

        Raises ExplainerError as ``send`` does.
        """
        call = self._channel.unary_stream(_SERVICE + "ExplainStream", _as_is, _as_is)
        message = codec.to_bytes(codec.encode_explain_request(request))
        events = call(message, seconds, self._with(request.request_id))
        try:
            for data in events:
                yield from _events(data, self._address, request.request_id)
        except grpc.RpcError as error:
            raise _translate(error, self._address, request.request_id) from error
        finally:
            events.cancel()  # type: ignore[no-untyped-call]

    def is_ready(self, seconds: float | None) -> bool:
        """Whether grpc.health.v1 says SERVING. Raises ExplainerError as ``send`` does."""
        try:
            call = self._channel.unary_unary(_HEALTH, _as_is, _as_is)
            return bool(call(_WHOLE_SERVER, seconds, self._call_headers()) == _SERVING)
        except grpc.RpcError as error:
            raise _translate(error, self._address, "") from error

    def close(self) -> None:
        """Close the channel; calls on their way are cancelled."""
        self._channel.close()

    def _with(self, request_id: str) -> Metadata:
        return (*self._call_headers(), (REQUEST_ID, request_id))


class AsyncGrpcTransport:
    """Awaited calls over one channel, which belongs to the event loop of its first call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._address = connection.address
        self._call_headers = connection.call_headers
        self._opened: grpc.aio.Channel | None = None

    async def asend(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """One call. Raises ExplainerError, of the kind that the Problem or the bare status says."""
        call = self._channel().unary_unary(_SERVICE + method.name, _as_is, _as_is)
        try:
            data = await call(_bytes(method, request), timeout=seconds, metadata=self._with(request_id))
        except grpc.RpcError as error:
            raise _translate(error, self._address, request_id) from error
        return _read(method, data, self._address, request_id)

    async def astream(self, request: ExplainRequest, seconds: float | None) -> AsyncIterator[ExplainEvent]:
        """Explain, as it becomes ready; leaving the iterator cancels the call.

        Raises ExplainerError as ``asend`` does.
        """
        call = self._channel().unary_stream(_SERVICE + "ExplainStream", _as_is, _as_is)
        message = codec.to_bytes(codec.encode_explain_request(request))
        events = call(message, timeout=seconds, metadata=self._with(request.request_id))
        try:
            async for data in events:
                for event in _events(data, self._address, request.request_id):
                    yield event
        except grpc.RpcError as error:
            raise _translate(error, self._address, request.request_id) from error
        finally:
            events.cancel()

    async def ais_ready(self, seconds: float | None) -> bool:
        """Whether grpc.health.v1 says SERVING. Raises ExplainerError as ``asend`` does."""
        call = self._channel().unary_unary(_HEALTH, _as_is, _as_is)
        try:
            return bool(await call(_WHOLE_SERVER, timeout=seconds, metadata=self._call_headers()) == _SERVING)
        except grpc.RpcError as error:
            raise _translate(error, self._address, "") from error

    async def aclose(self) -> None:
        """Close the channel; calls on their way are cancelled."""
        if self._opened is not None:
            await self._opened.close(None)

    def _channel(self) -> grpc.aio.Channel:
        if self._opened is None:
            credentials = _credentials(self._connection)
            if credentials is None:
                self._opened = grpc.aio.insecure_channel(self._address.target, _OPTIONS)
            else:
                self._opened = grpc.aio.secure_channel(self._address.target, credentials, _OPTIONS)
        return self._opened

    def _with(self, request_id: str) -> Metadata:
        return (*self._call_headers(), (REQUEST_ID, request_id))


def _credentials(connection: Connection) -> grpc.ChannelCredentials | None:
    if not connection.address.secure:
        return None
    files = (connection.tls.ca_file, connection.tls.key, connection.tls.certificate)
    return grpc.ssl_channel_credentials(*(file.read_bytes() if file else None for file in files))


def _as_is(data: bytes) -> bytes:
    """Messages are packed and unpacked outside gRPC, whose own word for a bad one is an internal error."""
    return data


def _bytes(method: Method[Q, R], request: Q) -> bytes:
    return method.to_message(request).SerializeToString()


def _read(method: Method[Q, R], data: bytes, address: Address, request_id: str) -> R:
    try:
        return method.read_message(data)
    except ValueError as error:
        raise foreign_answer(address.url, request_id) from error


def _events(data: bytes, address: Address, request_id: str) -> Iterator[ExplainEvent]:
    try:
        event = codec.decode_event(pb.ExplainEvent.FromString(data))
    except (DecodeError, ValueError) as error:
        raise foreign_answer(address.url, request_id) from error
    if event is not None:
        yield event


def _translate(error: Any, address: Address, request_id: str) -> ExplainerError:
    """The Problem of a failed call, or what its bare status means."""
    trailing: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()
    metadata = dict((*(error.initial_metadata() or ()), *trailing))
    request_id = str(metadata.get(REQUEST_ID) or request_id)
    sent = metadata.get(PROBLEM_METADATA)
    if isinstance(sent, bytes):
        try:
            return error_of(codec.decode_problem(pb.Problem.FromString(sent)), request_id)
        except DecodeError:
            return foreign_answer(address.url, request_id)
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return unreachable(address.url, request_id)
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or ""):
        return error_of(_TOO_LARGE, request_id)  # refused by gRPC itself, ahead of the service
    bare = _BARE_STATUS.get(error.code())
    return error_of(bare, request_id) if bare else foreign_answer(address.url, request_id)
