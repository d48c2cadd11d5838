"""An explanation as it becomes ready, over REST: each event a line of JSON (application/x-ndjson)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from cxrshift.errors import Cancelled, CodedError
from cxrshift.gateway.rest_body import unless_disconnected
from cxrshift.gateway.status import http_problem
from cxrshift_api.json_codec import dump_json, event_to_json
from cxrshift_api.types import ExplainEvent
from cxrshift_api.wire import NDJSON


class EventLines(Response):
    """An answer of lines that are sent as they come.

    What is refused before the first line is raised, and so answered with a status of its own. What fails later ends
    the answer with a line that tells its problem, and is raised too: whoever watches the call must hear of it.
    """

    def __init__(self, request: Request, events: AsyncIterator[ExplainEvent], headers: Mapping[str, str]) -> None:
        super().__init__(media_type=NDJSON, headers=dict(headers))
        del self.headers["content-length"]
        self._request, self._events = request, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises CodedError."""
        first = await self._next_line()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        line: bytes | None = first
        try:
            while line is not None:
                await send({"type": "http.response.body", "body": line, "more_body": True})
                line = await self._next_line()
        except Cancelled:
            raise
        except CodedError as error:
            problem = http_problem(error.to_problem(), self._request.state.request_id)
            await send({"type": "http.response.body", "body": b'{"event":"problem","problem":' + problem.body + b"}\n"})
            raise
        await send({"type": "http.response.body", "body": b""})

    async def _next_line(self) -> bytes | None:
        """The next event's line; None after the last. Raises CodedError."""

        async def next_line() -> bytes | None:
            event = await anext(self._events, None)
            return None if event is None else await asyncio.to_thread(_to_line, event)

        return await unless_disconnected(self._request, next_line())


def _to_line(event: ExplainEvent) -> bytes:
    return dump_json(event_to_json(event)) + b"\n"
