"""One gateway: REST, gRPC and metrics on one event loop, from the first listening socket to the last drained call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from cxrshift.audit import AuditTrail
from cxrshift.config import Settings
from cxrshift.gateway.access.door import Door
from cxrshift.gateway.calls import CallLog
from cxrshift.gateway.grpc_app import make_grpc_server
from cxrshift.gateway.http_server import HttpServer
from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.operator_app import make_operator_app
from cxrshift.gateway.readiness import Readiness
from cxrshift.gateway.rest_app import RestParts, make_rest_app
from cxrshift.gateway.service import ExplainService
from cxrshift.gateway.tls import TlsFiles, http_context
from cxrshift.gateway.upstream import Upstream
from cxrshift.telemetry import log_event

logger = logging.getLogger("cxrshift.gateway")


@dataclass(frozen=True)
class Ports:
    """Where a gateway listens: TCP ports."""

    rest: int
    """Port of REST."""
    grpc: int
    """Port of gRPC."""
    metrics: int
    """Port of the metrics."""


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
        door = Door.of(settings)
        service, calls = ExplainService(settings, upstream, metrics), CallLog(metrics, door, audit)
        rest_app = make_rest_app(RestParts(service, calls, metrics, readiness, door, settings))
        files = TlsFiles.of(settings)
        tls = http_context(files) if files else None
        rest = exits.enter_context(HttpServer(rest_app, settings, settings.rest_port, tls=tls))
        operator_app = make_operator_app(metrics, readiness, settings.models)
        numbers = exits.enter_context(HttpServer(operator_app, settings, settings.metrics_port))
        rpc, grpc_port = make_grpc_server(service, calls, metrics, readiness, settings)
        await rpc.start()
        await rest.start()
        await numbers.start()
        exits.push_async_callback(numbers.stop)  # after the drain, so that its end can be seen
        exits.push_async_callback(self._drain, readiness, rest, rpc)
        self.ports = Ports(rest.port, grpc_port, numbers.port)
        if settings.ports_file:
            _write_whole(settings.ports_file, json.dumps(asdict(self.ports)))
            exits.callback(settings.ports_file.unlink, missing_ok=True)
        access = "open" if door.is_open else "by key or token"
        log_event(logger, "listening", host=settings.host, access=access, tls=str(bool(tls)), **asdict(self.ports))

    async def _drain(self, readiness: Readiness, rest: HttpServer, rpc: grpc.aio.Server) -> None:
        """Say not ready; serve on until those who send callers here have heard of it; then close the door."""
        log_event(logger, "draining")
        readiness.stopping.set()
        await asyncio.sleep(self.settings.drain_delay)
        await asyncio.gather(rpc.stop(self.settings.drain_seconds), rest.stop())


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or none."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)  # noqa: PTH105 - the atomic one
