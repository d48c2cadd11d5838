"""A REST route whose calls are let in and watched from their query to their answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from cxrshift.gateway.access.callers import Visitor
from cxrshift.gateway.calls import CallLog
from cxrshift.gateway.metrics import Operation
from cxrshift.gateway.rest_query import invalid_query
from cxrshift.tracing import TRACEPARENT
from cxrshift_api.wire import API_KEY


class ObservedRoute(APIRoute):
    """A route named after its operation. A query that does not fit is a call too, and so is one of a stranger."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, watched."""
        handle = super().get_route_handler()
        operation: Operation = self.name  # type: ignore[assignment]
        known = [name for parameters in self.dependant.query_params for name in _names(parameters)]

        async def observed(request: Request) -> Response:
            calls: CallLog = request.app.state.calls
            parent = request.headers.get(TRACEPARENT, "")
            async with calls.observe(
                "rest", operation, request.state.request_id, _visitor(request), traceparent=parent
            ) as call:
                request.state.call = call
                if request.state.refusal:
                    raise request.state.refusal
                try:
                    return await handle(request)
                except RequestValidationError as error:
                    raise invalid_query(error, known) from error

        return observed


def _visitor(request: Request) -> Visitor:
    host = request.client.host if request.client else ""
    return Visitor(host, request.headers.get("authorization", ""), request.headers.get(API_KEY, ""))


def _names(parameters: Any) -> list[str]:
    """The query parameters that one pydantic model of them holds."""
    model: type[BaseModel] = parameters.field_info.annotation
    return list(model.model_fields)
