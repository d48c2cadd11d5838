"""An HTTP server on a socket of our own, for callers of whom some are slow and some mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cxrshift.config import Settings
from cxrshift.gateway.status import HttpProblem, http_only_problem
from cxrshift.listening import listen
from cxrshift.telemetry import new_request_id

HEAD_SECONDS = 10.0
"""In which a request's line and headers must have come."""
_LINGER_SECONDS = 1.0


class HttpServer:
    """uvicorn on a socket that is bound from the start and so has a port."""

    def __init__(self, app: Any, settings: Settings, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._socket = listen(settings.host, port)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            http=_PatientProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=(lambda config, default: tls) if tls else None,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        self._server = _DeafServer(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.close()

    async def start(self) -> None:
        """Serve until ``stop``. Raises RuntimeError where that fails."""
        self._running = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.005)
            if self._running.done():
                self._running.result()
                raise RuntimeError("The HTTP server ended while starting.")

    async def stop(self) -> None:
        """Close the door and let what was begun end."""
        self._server.should_exit = True
        await self._running


class _DeafServer(uvicorn.Server):
    """Leaves signals to whoever runs the gateway: three servers share one process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _PatientProtocol(H11Protocol):
    """Waits for a request's head no longer than ``HEAD_SECONDS``, and tells what is wrong with a malformed one."""

    _patience: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """h11 could not read what came, and knows why; it is called while that is being handled."""
        error = sys.exception()
        self._refuse(error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400)

    def _watch_head(self) -> None:
        """Start the clock where a head is awaited, or the rest of a body that nobody wants; else stop it."""
        answered = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        if self.transport.is_closing() or not (answered or self.conn.their_state is h11.IDLE):
            self._forget_head()
        elif self._patience is None and self.timeout_keep_alive_task is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._refuse, 408)

    def _forget_head(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: int) -> None:
        """Answer, where an answer has not begun, and close."""
        problem: HttpProblem = http_only_problem(status, new_request_id())
        headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
        with contextlib.suppress(h11.LocalProtocolError):
            for event in (
                h11.Response(status_code=status, headers=[*headers, (b"connection", b"close")]),
                h11.Data(data=problem.body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._forget_head()
        self._refused = True
        if self.transport.can_write_eof():
            # Closed at once, with bytes unread, the connection would be reset and take the answer with it.
            self.transport.write_eof()
            self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()
