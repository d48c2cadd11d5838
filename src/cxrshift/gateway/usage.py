"""Who uses the service: for those who run it."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cxrshift.gateway import rest_docs
from cxrshift.gateway.access.shares import CallerShares
from cxrshift.gateway.observed_route import ObservedRoute


class UsageBody(BaseModel):
    """One caller's calls since this gateway began."""

    caller: str = Field(description="key:ID for an API key, sub:PSEUDONYM for a token.")
    calls: int
    """Number of calls since this gateway began, as far as it is remembered."""
    refused: int = Field(description="Of those, past the caller's rate or its calls at once.")
    in_flight: int
    """Number of calls in work now."""


class UsagesBody(BaseModel):
    """Every caller that is remembered, the busiest first."""

    callers: list[UsageBody]


def make_usage_router(shares: CallerShares) -> APIRouter:
    """``GET /v1/usage``, for the role admin."""
    router = APIRouter(prefix="/v1", route_class=ObservedRoute)

    @router.get("/usage", responses=rest_docs.PROBLEMS)
    async def usage() -> UsagesBody:
        """List the callers of this gateway and how much each asked. Needs the role admin."""
        return UsagesBody(callers=[UsageBody(**asdict(each)) for each in shares.usage()])

    return router
