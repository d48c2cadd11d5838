"""What comes from a browser, checked before anything is done with it; refusals as short JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import AnswerError
from .records import Answer

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
_MOST_BYTES = 32 << 10
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_ONE_YEAR = "max-age=31536000"


class Refusal(Exception):
    """A request that ends with this status and these words; ``headers`` as HTTP has them."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def to_response(self) -> Response:
        """The refusal as an answer."""
        return JSONResponse({"detail": self.detail}, self.status, self.headers)


class SafeAnswers:
    """ASGI middleware: every answer's headers, and no request from another site's page changes anything.

    A browser says where a request comes from (Sec-Fetch-Site, else Origin); what is not a browser has no cookie to
    abuse. A changing request must also be JSON, which no form of another site can send.
    """

    def __init__(self, app: ASGIApp, *, over_tls: bool) -> None:
        self._app = app
        self._headers = _HEADERS | ({"strict-transport-security": _ONE_YEAR} if over_tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in self._headers.items() if n.encode() not in present),
                ]
            await send(message)

        if scope["type"] == "http" and not _is_own(Request(scope)):
            await Refusal(403, "This request comes from another site.").to_response()(scope, receive, send_safely)
        else:
            await self._app(scope, receive, send_safely)


def _is_own(request: Request) -> bool:
    if request.method in ("GET", "HEAD"):
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


async def read_json(request: Request) -> Mapping[str, object]:
    """The body's JSON object. Raises Refusal."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "The body must be application/json.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise Refusal(413, f"The body is larger than {_MOST_BYTES} bytes.")
        value = json.loads(body)
    except ClientDisconnect as error:
        raise Refusal(400, "The request did not arrive whole.") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return value


def text_of(body: Mapping[str, object], name: str) -> str:
    """The string ``name`` of a body. Raises Refusal."""
    value = body.get(name)
    if not isinstance(value, str):
        raise Refusal(400, f"{name} must be a string.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refusal(400, f"{name} must be text.") from error
    return value


def answer_of(body: Mapping[str, object]) -> Answer:
    """The answer that a body tells. Raises AnswerError and Refusal."""
    return Answer(
        _choice(body.get("confidence"), "confidence"),
        _choice(body.get("correct_feature"), "correct_feature"),
        text_of({"comment": "", **body}, "comment"),
        _seconds(body.get("seconds", 0.0)),
    )


def _choice(value: object, name: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 5):
        return value
    raise AnswerError(f"{name} must be a whole number from 1 to 5.")


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e7:
        return float(value)
    raise AnswerError("seconds must be a number from 0.")
