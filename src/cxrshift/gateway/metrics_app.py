"""``/metrics``: readiness is looked at when Prometheus asks, so that what it reads is of now."""

from __future__ import annotations

from prometheus_client import make_asgi_app
from starlette.types import ASGIApp, Receive, Scope, Send

from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.readiness import Readiness


class MetricsApp:
    """The ASGI app that gives a registry's text. A model that hangs delays it by the time readiness allows."""

    def __init__(self, metrics: Metrics, readiness: Readiness, models: tuple[str, ...]) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._models = models
        self._exposition: ASGIApp = make_asgi_app(metrics.registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            silent = await self._readiness.find_silent()
            for model in self._models:
                self._metrics.model_ready.labels(model).set(model not in silent)
            self._metrics.ready.set(not silent and not self._readiness.stopping.is_set())
        await self._exposition(scope, receive, send)
