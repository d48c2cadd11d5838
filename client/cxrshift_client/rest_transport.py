"""REST: the image as the body, options as query parameters, protobuf back, problems as RFC 9457."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx

from cxrshift_api import json_codec
from cxrshift_api.types import ExplainEvent, ExplainRequest, Problem, ProblemCode
from cxrshift_api.wire import NDJSON, REQUEST_ID

from .errors import ExplainerError, error_of, foreign_answer, unreachable
from .methods import EXPLAIN, HttpForm, Method
from .transports import Address, Connection

Q = TypeVar("Q")
R = TypeVar("R")

_READY_PATH = "/readyz"
_LATE = Problem(ProblemCode.DEADLINE, "The answer did not come within the timeout.")
_BARE_STATUS = {
    401: Problem(ProblemCode.UNAUTHENTICATED, "The service wants to know who calls."),
    403: Problem(ProblemCode.FORBIDDEN, "The service does not let this caller in."),
    413: Problem(ProblemCode.TOO_LARGE, "The image is larger than the way to the service allows."),
    429: Problem(ProblemCode.OVERLOADED, "The service has no room for this call."),
    500: Problem(ProblemCode.INTERNAL, "The service failed without saying why."),
    502: Problem(ProblemCode.UNAVAILABLE, "A proxy on the way cannot reach the service."),
    503: Problem(ProblemCode.UNAVAILABLE, "The service is not ready."),
    504: Problem(ProblemCode.DEADLINE, "A proxy on the way gave up waiting for the service."),
}
"""What a status means that came without a Problem: from a proxy on the way."""


@dataclass(frozen=True)
class _Received:
    """A whole HTTP response."""

    status: int
    headers: httpx.Headers
    body: bytes


class RestTransport:
    """Blocking calls over one pool of connections; safe to share between threads.

    Every call raises ExplainerError, of the kind that the Problem or the bare status says.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = httpx.Client(base_url=connection.address.url, verify=_trust(connection))

    def send(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """One call."""
        received = self._receive(method.to_http(request), request_id, seconds)
        return _read(method, received, self._connection.address, request_id)

    def stream(self, request: ExplainRequest, seconds: float | None) -> Iterator[ExplainEvent]:
        """The events as they come."""
        address, request_id = self._connection.address, request.request_id
        deadline = None if seconds is None else time.monotonic() + seconds
        with _translated(address, request_id):
            asked = _request(self._http, _stream_form(request), request_id, self._connection, seconds)
            response = self._http.send(asked, stream=True)
            try:
                if response.status_code != httpx.codes.OK:
                    body = response.read()
                    raise _problem_error(_Received(response.status_code, response.headers, body), address, request_id)
                for line in response.iter_lines():
                    if deadline is not None and time.monotonic() > deadline:
                        raise error_of(_LATE, request_id)
                    event = _read_event(line, address, response.headers.get(REQUEST_ID) or request_id)
                    if event is not None:
                        yield event
            finally:
                response.close()

    def is_ready(self, seconds: float | None) -> bool:
        """Whether ``/readyz`` says so."""
        received = self._receive(HttpForm("GET", _READY_PATH), "", seconds)
        return _read_ready(received, self._connection.address)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _receive(self, form: HttpForm, request_id: str, seconds: float | None) -> _Received:
        # httpx limits each read, not their sum: a body that trickles in is watched here.
        deadline = None if seconds is None else time.monotonic() + seconds
        with _translated(self._connection.address, request_id):
            request = _request(self._http, form, request_id, self._connection, seconds)
            response = self._http.send(request, stream=True)
            try:
                chunks = []
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    if deadline is not None and time.monotonic() > deadline:
                        raise error_of(_LATE, request_id)
            finally:
                response.close()
        return _Received(response.status_code, response.headers, b"".join(chunks))


class AsyncRestTransport:
    """Awaited calls over one pool of connections, which belongs to the event loop of its first call.

    Every call raises ExplainerError, of the kind that the Problem or the bare status says.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._http = httpx.AsyncClient(base_url=connection.address.url, verify=_trust(connection))

    async def asend(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """One call."""
        received = await self._receive(method.to_http(request), request_id, seconds)
        return _read(method, received, self._connection.address, request_id)

    async def astream(self, request: ExplainRequest, seconds: float | None) -> AsyncIterator[ExplainEvent]:
        """The events as they come."""
        address, request_id = self._connection.address, request.request_id
        deadline = None if seconds is None else time.monotonic() + seconds
        with _translated(address, request_id):
            asked = _request(self._http, _stream_form(request), request_id, self._connection, seconds)
            response = await self._http.send(asked, stream=True)
            try:
                if response.status_code != httpx.codes.OK:
                    body = await response.aread()
                    raise _problem_error(_Received(response.status_code, response.headers, body), address, request_id)
                lines = response.aiter_lines()
                while True:
                    # Around each line, not around the whole: a generator may not be left waiting inside a timeout.
                    async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                        line = await anext(lines, None)
                    if line is None:
                        return
                    event = _read_event(line, address, response.headers.get(REQUEST_ID) or request_id)
                    if event is not None:
                        yield event
            finally:
                await response.aclose()

    async def ais_ready(self, seconds: float | None) -> bool:
        """Whether ``/readyz`` says so."""
        received = await self._receive(HttpForm("GET", _READY_PATH), "", seconds)
        return _read_ready(received, self._connection.address)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _receive(self, form: HttpForm, request_id: str, seconds: float | None) -> _Received:
        with _translated(self._connection.address, request_id):
            async with asyncio.timeout(seconds):
                request = _request(self._http, form, request_id, self._connection, seconds)
                response = await self._http.send(request)
        return _Received(response.status_code, response.headers, response.content)


def _stream_form(request: ExplainRequest) -> HttpForm:
    form = EXPLAIN.to_http(request)
    return replace(form, path=f"{form.path}/stream", accept=NDJSON)


def _read_event(line: str, address: Address, request_id: str) -> ExplainEvent | None:
    """The event of a line; None for one of a newer service. Raises the error of the Problem that it tells instead."""
    try:
        told = json.loads(line)
        if isinstance(told, dict) and told.get("event") == "problem":
            raise error_of(json_codec.problem_from_json(told.get("problem")), request_id)
        return json_codec.event_from_json(told)
    except ValueError as error:
        raise foreign_answer(address.url, request_id) from error


def _trust(connection: Connection) -> ssl.SSLContext:
    if not connection.address.secure:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: reading the system's certificates takes time
    context = ssl.create_default_context(cafile=connection.tls.ca_file)
    if connection.tls.certificate:
        context.load_cert_chain(connection.tls.certificate, connection.tls.key)
    return context


def _limits(connection: Connection, seconds: float | None) -> httpx.Timeout:
    connect = connection.timeout.connect
    return httpx.Timeout(seconds, connect=connect if seconds is None else min(connect, seconds))


def _request(
    http: httpx.Client | httpx.AsyncClient,
    form: HttpForm,
    request_id: str,
    connection: Connection,
    seconds: float | None,
) -> httpx.Request:
    if seconds is not None and seconds <= 0.0:
        raise error_of(_LATE, request_id)
    headers = {**dict(connection.call_headers()), "accept": form.accept}
    if request_id:
        headers[REQUEST_ID] = request_id
    query = form.query
    if form.verb == "POST":
        headers["content-type"] = "application/octet-stream"
        query += () if seconds is None else (("timeout", f"{seconds:.3f}"),)  # the service drops what comes too late
    content, limits = form.content or None, _limits(connection, seconds)
    return http.build_request(form.verb, form.path, params=query, content=content, headers=headers, timeout=limits)


@contextmanager
def _translated(address: Address, request_id: str) -> Iterator[None]:
    """Errors of httpx, and asyncio's timeout, as this client's own."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise unreachable(address.url, request_id) from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise error_of(_LATE, request_id) from error
    except (httpx.RemoteProtocolError, httpx.NetworkError) as error:
        broken = Problem(ProblemCode.UNAVAILABLE, "The connection broke before the answer was whole.")
        raise error_of(broken, request_id) from error
    except httpx.HTTPError as error:
        raise foreign_answer(address.url, request_id) from error


def _read(method: Method[Q, R], received: _Received, address: Address, request_id: str) -> R:
    request_id = received.headers.get(REQUEST_ID) or request_id
    if received.status != httpx.codes.OK:
        raise _problem_error(received, address, request_id)
    try:
        return method.read(received.body, received.headers.get("content-type", ""))
    except ValueError as error:
        raise foreign_answer(address.url, request_id) from error


def _read_ready(received: _Received, address: Address) -> bool:
    if received.status in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE):
        return received.status == httpx.codes.OK
    raise _problem_error(received, address, "")


def _problem_error(received: _Received, address: Address, request_id: str) -> ExplainerError:
    """The Problem of an answer other than 200, or what its bare status means."""
    problem = _sent_problem(received) or _BARE_STATUS.get(received.status)
    if problem is None:
        return foreign_answer(address.url, request_id)
    wait = received.headers.get("retry-after", "")
    if problem.retry_after is None and wait.isdecimal():
        problem = replace(problem, retry_after=float(wait))
    return error_of(problem, request_id)


def _sent_problem(received: _Received) -> Problem | None:
    if "json" not in received.headers.get("content-type", ""):
        return None
    try:
        return json_codec.problem_from_json(json.loads(received.body))
    except ValueError:
        return None
