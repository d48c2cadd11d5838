"""Gives every REST request its id, in its state and in its answer's header, whoever answers it."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxrshift.errors import InvalidRequest
from cxrshift.telemetry import new_request_id, settle_request_id
from cxrshift_api.wire import REQUEST_ID


class RequestIds:
    """ASGI middleware: sets ``request.state.request_id``, and ``refusal`` where the caller's own cannot be used."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal: InvalidRequest | None = None
        try:
            request_id = settle_request_id(Headers(scope=scope).get(REQUEST_ID))
        except InvalidRequest as error:
            request_id, refusal = new_request_id(), error
        scope.setdefault("state", {}).update(request_id=request_id, refusal=refusal)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
