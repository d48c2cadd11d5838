"""One gateway: REST, gRPC and metrics on one event loop, from the first listening socket to the last drained call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import uvicorn

from cxrshift.audit import AuditTrail
from cxrshift.config import Settings
from cxrshift.gateway.calls import CallLog
from cxrshift.gateway.grpc_app import make_grpc_server
from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.metrics_app import MetricsApp
from cxrshift.gateway.readiness import Readiness
from cxrshift.gateway.rest_app import RestParts, make_rest_app
from cxrshift.gateway.service import ExplainService
from cxrshift.gateway.upstream import Upstream
from cxrshift.telemetry import log_event

logger = logging.getLogger("cxrshift.gateway")


@dataclass(frozen=True)
class Ports:
    """Where a gateway listens."""

    rest: int
    grpc: int
    metrics: int


class Gateway:
    """A running gateway: ``async with Gateway(settings) as gateway`` listens inside and has drained after.

    Raises OSError or RuntimeError where a port is taken.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exits:
            await self._start(exits)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Say not ready, let what has begun end, then stop."""
        await self._exits.aclose()
        log_event(logger, "stopped")

    async def _start(self, exits: AsyncExitStack) -> None:
        """Bind everything, then serve; ``exits`` undoes it in reverse order, however far it came."""
        settings, metrics = self.settings, Metrics()
        upstream = Upstream(
            settings.upstream,
            max_message_bytes=settings.max_reply_bytes,
            retries=settings.retries,
            on_retry=metrics.retries.inc,
        )
        exits.push_async_callback(upstream.close)
        readiness = Readiness(upstream, settings.models, timeout=settings.readiness_timeout)
        audit = exits.enter_context(AuditTrail(settings.audit_file)) if settings.audit_file else None
        service, calls = ExplainService(settings, upstream, metrics), CallLog(metrics, audit)
        rest_app = make_rest_app(RestParts(service, calls, metrics, readiness, settings))
        rest = exits.enter_context(_HttpServer(rest_app, settings, settings.rest_port))
        numbers_app = MetricsApp(metrics, readiness, settings.models)
        numbers = exits.enter_context(_HttpServer(numbers_app, settings, settings.metrics_port))
        rpc, grpc_port = make_grpc_server(service, calls, readiness, settings)
        await rpc.start()
        await rest.start()
        await numbers.start()
        exits.push_async_callback(numbers.stop)  # after the drain, so that its end can be seen
        exits.push_async_callback(self._drain, readiness, rest, rpc)
        self.ports = Ports(rest.port, grpc_port, numbers.port)
        if settings.ports_file:
            _write_whole(settings.ports_file, json.dumps(asdict(self.ports)))
            exits.callback(settings.ports_file.unlink, missing_ok=True)
        log_event(logger, "listening", host=settings.host, **asdict(self.ports))

    async def _drain(self, readiness: Readiness, rest: _HttpServer, rpc: grpc.aio.Server) -> None:
        log_event(logger, "draining")
        readiness.stopping.set()
        await asyncio.gather(rpc.stop(self.settings.drain_seconds), rest.stop())


class _HttpServer:
    """uvicorn on a socket of our own, which is bound from the start and so has a port."""

    def __init__(self, app: Any, settings: Settings, port: int) -> None:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._socket = socket.create_server((settings.host, port), family=family, backlog=1024)
        # asyncio does this for sockets of its own only; without it an answer on a kept connection waits 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        self._server = _DeafServer(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.close()

    async def start(self) -> None:
        self._running = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.005)
            if self._running.done():
                self._running.result()
                raise RuntimeError("The HTTP server ended while starting.")

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._running


class _DeafServer(uvicorn.Server):
    """Leaves signals to whoever runs the gateway: three servers share one process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or none."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)  # noqa: PTH105 - the atomic one
