"""What every REST answer says to browsers and proxies, and the requests that no two of them read alike."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxrshift.gateway.status import http_only_problem
from cxrshift.telemetry import new_request_id

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_LONGEST, _MOST = 32 << 10, 100
"""Bytes and number of a request's headers that are taken."""
_ONE_YEAR = "max-age=31536000"


class SafeHeaders:
    """ASGI middleware. ``is_stopping`` tells when connections should not be kept any more."""

    def __init__(self, app: ASGIApp, *, over_tls: bool, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._headers = _HEADERS | ({"strict-transport-security": _ONE_YEAR} if over_tls else {})
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if self._is_stopping():
                    headers["connection"] = "close"
            await send(message)

        status = _fault(Headers(scope=scope)) if scope["type"] == "http" else None
        if status:
            await _refuse(send_safely, status)
        else:
            await self._app(scope, receive, send_safely)


def _fault(headers: Headers) -> int | None:
    """The status that a request's headers earn by themselves."""
    if len(headers.raw) > _MOST or sum(len(name) + len(value) for name, value in headers.raw) > _LONGEST:
        return 431
    # A proxy may have seen it end elsewhere, so that its body smuggles another in (RFC 9112 section 6.3).
    return 400 if "transfer-encoding" in headers and "content-length" in headers else None


async def _refuse(send: Send, status: int) -> None:
    problem = http_only_problem(status, new_request_id())
    headers = [(name.encode(), value.encode()) for name, value in {**problem.headers, "connection": "close"}.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body})
