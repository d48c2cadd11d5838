"""Ways to a service. Each does one call at one address, once, and raises only the errors of ``errors.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from cxrshift_api.types import Explained, ExplainEvent, ExplainReply, ExplainRequest, Problem, Progress

from .errors import error_of, refuse
from .methods import EXPLAIN, Method
from .settings import Timeout, Tls

Q = TypeVar("Q")
R = TypeVar("R")

DEFAULT_PORTS = {"grpc": 8001, "grpcs": 8001, "http": 8000, "https": 8000}


@dataclass(frozen=True)
class Address:
    """Where a service is and how it is spoken to."""

    scheme: str
    """grpc, grpcs, http or https."""
    host: str
    """Name or number of the machine, without brackets."""
    port: int
    """TCP port, 1 to 65535."""
    path: str = ""
    """Under which a proxy offers the REST service; empty over gRPC."""

    @property
    def url(self) -> str:
        """The address as it is written."""
        return f"{self.scheme}://{self.target}{self.path}"

    @property
    def target(self) -> str:
        """``host:port``, an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether the call is encrypted."""
        return self.scheme in ("grpcs", "https")

    @property
    def is_grpc(self) -> bool:
        """Whether gRPC is spoken there, rather than REST."""
        return self.scheme in ("grpc", "grpcs")


def parse_address(text: str) -> Address:
    """``grpc://host:8001``, ``grpcs://...``, ``http://host:8000`` or ``https://...``. Raises RequestError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise refuse(
            "The address must look like grpc://host:8001, grpcs://host:8001, http://host:8000 or https://host."
        )
    default = 443 if parts.scheme == "https" else DEFAULT_PORTS[parts.scheme]
    return Address(parts.scheme, parts.hostname, port or default, parts.path.rstrip("/"))


@dataclass(frozen=True)
class Connection:
    """What every call over one transport shares."""

    address: Address
    """Where the service is."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every call, as HTTP headers or gRPC metadata; names in lower case."""
    token: Callable[[], str] | None = None
    """Gives the API key or token that goes with a call."""
    tls: Tls = field(default_factory=Tls)
    """Whom to trust, and what to show of oneself."""
    timeout: Timeout = field(default_factory=Timeout)
    """How long to wait."""

    def call_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of a call that is made now."""
        return self.headers if self.token is None else (*self.headers, ("authorization", f"Bearer {self.token()}"))


class Transport(Protocol):
    """One way to call a service and wait for it; ``seconds`` is the time left, None = no limit.

    Every call raises ExplainerError.
    """

    def send(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """One call."""
        ...

    def stream(self, request: ExplainRequest, seconds: float | None) -> Iterator[ExplainEvent]:
        """Explain, as it becomes ready."""
        ...

    def is_ready(self, seconds: float | None) -> bool:
        """Whether the service says that it can answer."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


class AsyncTransport(Protocol):
    """The same, awaited, with the same errors."""

    async def asend(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """One call."""
        ...

    def astream(self, request: ExplainRequest, seconds: float | None) -> AsyncIterator[ExplainEvent]:
        """Explain, as it becomes ready."""
        ...

    async def ais_ready(self, seconds: float | None) -> bool:
        """Whether the service says that it can answer."""
        ...

    async def aclose(self) -> None:
        """Give the connections back."""
        ...


def open_transport(connection: Connection) -> Transport:
    """The transport of the address's scheme."""
    from .grpc_transport import GrpcTransport
    from .rest_transport import RestTransport

    return GrpcTransport(connection) if connection.address.is_grpc else RestTransport(connection)


def open_async_transport(connection: Connection) -> AsyncTransport:
    """The transport of the address's scheme, for asyncio."""
    from .grpc_transport import AsyncGrpcTransport
    from .rest_transport import AsyncRestTransport

    return AsyncGrpcTransport(connection) if connection.address.is_grpc else AsyncRestTransport(connection)


def replay(reply: ExplainReply) -> Iterator[ExplainEvent]:
    """A whole reply as the events of a stream, where a transport has no stream of its own."""
    yield Progress("explained", 1.0)
    for explanation in reply.explanations:
        yield Explained(explanation)


class MockTransport:
    """A service of your own making, for tests of programs that use the client; sync and async, without a network.

        def answer(request):
            assert isinstance(request, ExplainRequest)
            return Problem(ProblemCode.OVERLOADED, "Come back later.", retry_after=0.1)

        client = Client(transport=MockTransport(answer))

    ``answer`` gets each request (ExplainRequest, ClassifyRequest or ListModels) and gives its reply, or a Problem,
    which the caller meets as an error.
    """

    def __init__(self, answer: Callable[[Any], Any], *, ready: bool = True) -> None:
        self._answer = answer
        self._ready = ready

    def send(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """The answer's reply. Raises the error of its Problem."""
        reply = self._answer(request)
        if isinstance(reply, Problem):
            raise error_of(reply, request_id)
        return reply  # type: ignore[no-any-return]

    def stream(self, request: ExplainRequest, seconds: float | None) -> Iterator[ExplainEvent]:
        """The answer's reply, as events."""
        yield from replay(self.send(EXPLAIN, request, request.request_id, seconds))

    def is_ready(self, seconds: float | None) -> bool:
        """As was said when this was made."""
        return self._ready

    def close(self) -> None:
        """Nothing to give back."""

    async def asend(self, method: Method[Q, R], request: Q, request_id: str, seconds: float | None) -> R:
        """As ``send``."""
        return self.send(method, request, request_id, seconds)

    async def astream(self, request: ExplainRequest, seconds: float | None) -> AsyncIterator[ExplainEvent]:
        """As ``stream``."""
        for event in self.stream(request, seconds):
            yield event

    async def ais_ready(self, seconds: float | None) -> bool:
        """As ``is_ready``."""
        return self._ready

    async def aclose(self) -> None:
        """Nothing to give back."""
