"""What the platform asks on a port of its own: metrics and probes, in the clear and without a key.

A kubelet has neither client certificates nor tokens, and nothing here tells of callers or patients.
"""

from __future__ import annotations

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.readiness import Readiness
from cxrshift_api.types import Problem


def make_operator_app(metrics: Metrics, readiness: Readiness, models: tuple[str, ...]) -> Starlette:
    """``/metrics``, ``/healthz``, ``/readyz`` and ``/startupz``."""

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        return _answer(await readiness.check(), "ready")

    async def started(request: Request) -> Response:
        return _answer(await readiness.check_started(), "started")

    async def numbers(request: Request) -> Response:
        # Readiness is looked at when Prometheus asks, so that what it reads is of now.
        silent = await readiness.find_silent()
        for model in models:
            metrics.model_ready.labels(model).set(model not in silent)
        metrics.ready.set(not silent and not readiness.stopping.is_set())
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"content-type": content_type})

    pages = {"/healthz": live, "/readyz": ready, "/startupz": started, "/metrics": numbers}
    return Starlette(routes=[Route(path, page) for path, page in pages.items()])


def _answer(problem: Problem | None, word: str) -> Response:
    if problem is None:
        return JSONResponse({"status": word})
    return JSONResponse({"status": f"not {word}", "detail": problem.message}, status_code=503)
