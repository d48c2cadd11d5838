"""What REST says of itself: whether it lives, whether its models answer, and what can be asked of it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cxrshift.errors import Unavailable
from cxrshift.gateway import rest_docs
from cxrshift.gateway.readiness import Readiness


def make_probe_router(readiness: Readiness) -> APIRouter:
    """Routes that ask for no key and are not counted as calls."""
    router = APIRouter()

    @router.get("/healthz", summary="Healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @router.get("/readyz", responses={"5XX": rest_docs.PROBLEMS["5XX"]})
    async def readyz() -> dict[str, str]:
        """Whether the models answer: a real, tiny inference."""
        problem = await readiness.check()
        if problem:
            raise Unavailable(problem.message, retry_after=problem.retry_after)
        return {"status": "ready"}

    @router.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(rest_docs.PAGE, media_type="text/html; charset=utf-8", headers=rest_docs.PAGE_HEADERS)

    return router
