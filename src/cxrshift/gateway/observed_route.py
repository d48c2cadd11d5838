"""REST routes whose calls are let in and watched from their query to their answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from cxrshift.errors import CodedError
from cxrshift.gateway.access.callers import Visitor
from cxrshift.gateway.calls import CallLog
from cxrshift.gateway.metrics import Operation
from cxrshift.gateway.rest_query import invalid_query
from cxrshift.tracing import TRACEPARENT
from cxrshift_api.wire import API_KEY


class ObservedRoute(APIRoute):
    """A route named after its operation. A query that does not fit is a call too, and so is one of a stranger."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, watched until it has its answer."""
        handle = super().get_route_handler()

        async def observed(request: Request) -> Response:
            async with self.observe(request):
                return await handle(request)

        return observed

    @asynccontextmanager
    async def observe(self, request: Request) -> AsyncIterator[None]:
        """Let a call in and watch it. Raises CodedError, a query's own mistakes among them."""
        operation: Operation = self.name  # type: ignore[assignment]
        calls: CallLog = request.app.state.calls
        parent = request.headers.get(TRACEPARENT, "")
        async with calls.observe(
            "rest", operation, request.state.request_id, _visitor(request), traceparent=parent
        ) as call:
            request.state.call = call
            if request.state.refusal:
                raise request.state.refusal
            try:
                yield
            except RequestValidationError as error:
                known = [name for parameters in self.dependant.query_params for name in _names(parameters)]
                raise invalid_query(error, known) from error


class StreamedRoute(ObservedRoute):
    """A route whose calls last until their answer has been sent, since they work while they answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, watched until its answer is with the caller."""
        handle = APIRoute.get_route_handler(self)

        async def prepared(request: Request) -> Response:
            return _Watched(self, request, handle)

        return prepared


class _Watched(Response):
    """An answer that is not begun before it is sent, so that one watch spans both."""

    def __init__(
        self, route: ObservedRoute, request: Request, handle: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> None:
        super().__init__()
        self._route, self._request, self._handle = route, request, handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Work and answer. Raises CodedError where the answer was not begun; else it has told its problem itself."""
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with self._route.observe(self._request):
                answer = await self._handle(self._request)
                await answer(scope, receive, send_on)
        except CodedError:
            if not has_begun:
                raise


def _visitor(request: Request) -> Visitor:
    host = request.client.host if request.client else ""
    return Visitor(host, request.headers.get("authorization", ""), request.headers.get(API_KEY, ""))


def _names(parameters: Any) -> list[str]:
    """The query parameters that one pydantic model of them holds."""
    model: type[BaseModel] = parameters.field_info.annotation
    return list(model.model_fields)
