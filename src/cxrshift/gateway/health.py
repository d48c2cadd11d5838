"""grpc.health.v1 from readiness, for probes that ask (Check) and clients that listen (Watch)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthServicer

from cxrshift.gateway.readiness import Readiness

SERVICES = ("", "cxrshift.v1.Explainer", "inference.GRPCInferenceService")


class Health(HealthServicer):  # type: ignore[misc]
    """SERVING while the service is ready.

    The library's own servicer would need to be told; this one asks. ``period``: seconds from one look at readiness to
    the next.
    """

    def __init__(self, readiness: Readiness, *, period: float) -> None:
        self._readiness = readiness
        self._period = period

    async def Check(self, request: pb.HealthCheckRequest, context: Any) -> pb.HealthCheckResponse:  # noqa: N802
        """The status now."""
        if request.service not in SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Known services: {', '.join(filter(None, SERVICES))}.")
        return await self._status(request.service)

    async def Watch(  # noqa: N802
        self, request: pb.HealthCheckRequest, context: Any
    ) -> AsyncIterator[pb.HealthCheckResponse]:
        """The status now, then each change. Ends when the service stops, so that nobody waits for its watchers."""
        last = None
        while True:
            stopping = self._readiness.stopping.is_set()
            status = await self._status(request.service)
            if status != last:
                yield status
            if stopping:
                return
            last = status
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._period):
                await self._readiness.stopping.wait()
        except TimeoutError:
            pass

    async def _status(self, service: str) -> pb.HealthCheckResponse:
        if service not in SERVICES:
            return pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)
        ready = await self._readiness.check() is None
        serving, not_serving = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING
        return pb.HealthCheckResponse(status=serving if ready else not_serving)
