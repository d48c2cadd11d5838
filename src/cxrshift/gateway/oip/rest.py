"""The protocol over HTTP: the paths under /v2."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from cxrshift import tracing
from cxrshift.config import Settings
from cxrshift.errors import InvalidRequest, Unavailable
from cxrshift.gateway.calls import Call
from cxrshift.gateway.oip.http_answer import write_error, write_infer, write_metadata
from cxrshift.gateway.oip.http_request import HEADER_LENGTH, HttpInfer, read_infer
from cxrshift.gateway.oip.inference import SERVER, OpenInference
from cxrshift.gateway.rest_body import read_raw, unless_disconnected
from cxrshift.gateway.service import ExplainService
from cxrshift.gateway.status import HttpProblem, http_problem
from cxrshift.gateway.timing import SERVER_TIMING, server_timing
from cxrshift_api.json_codec import JsonObject, dump_json
from cxrshift_api.types import Problem
from cxrshift_api.wire import JSON

PREFIX = "/v2"
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_TEXT_SLACK = 64 << 10
"""Bytes of JSON around an image in base64."""


def make_router(
    service: ExplainService, inference: OpenInference, settings: Settings, observed: type[APIRoute]
) -> APIRouter:
    """The routes; those of the class ``observed`` are watched by their names."""
    router = APIRouter(include_in_schema=False, route_class=observed)
    routes = _Routes(service, inference, settings)
    for probe, endpoint in (("live", routes.live), ("ready", routes.ready)):
        router.add_api_route(f"{PREFIX}/health/{probe}", endpoint, methods=["GET"], route_class_override=APIRoute)
    router.add_api_route(PREFIX, routes.server, methods=["GET"], name="server_metadata")
    for model in (PREFIX + "/models/{model}", PREFIX + "/models/{model}/versions/{version}"):
        router.add_api_route(model, routes.metadata, methods=["GET"], name="model_metadata")
        router.add_api_route(model + "/ready", routes.model_ready, methods=["GET"], name="model_ready")
        router.add_api_route(model + "/infer", routes.infer, methods=["POST"], name="infer")
    return router


def is_here(path: str) -> bool:
    """Whether a path is the protocol's, and so are the errors that it answers with."""
    return path == PREFIX or path.startswith(PREFIX + "/")


def http_error(problem: Problem, request_id: str, *, status: int | None = None) -> HttpProblem:
    """``problem`` in the protocol's form, with the status and headers that it has elsewhere."""
    usual = http_problem(problem, request_id, status=status)
    return HttpProblem(usual.status, {**usual.headers, "content-type": JSON}, write_error(problem.message))


class _Routes:
    """What each path answers."""

    def __init__(self, service: ExplainService, inference: OpenInference, settings: Settings) -> None:
        self._service = service
        self._inference = inference
        self._limit = settings.max_request_bytes
        self._patience = settings.upload_seconds
        self._reading = asyncio.Lock()
        """Numbers in JSON take many times their bytes while they are read: one request at a time."""

    async def live(self) -> Response:
        """Whether the process lives."""
        return _json({"live": True})

    async def ready(self) -> Response:
        """Whether every model answers."""
        is_ready = await self._inference.is_ready()
        return _json({"ready": is_ready}, status=200 if is_ready else 503)

    async def server(self) -> Response:
        """What this server is."""
        return Response(write_metadata(SERVER), media_type=JSON, headers=_HEADERS)

    async def metadata(self, request: Request) -> Response:
        """A model's tensors."""
        described = await self._inference.describe(*_named(request), self._service.deadline(None))
        return Response(write_metadata(described), media_type=JSON, headers=_HEADERS)

    async def model_ready(self, request: Request) -> Response:
        """Whether one model answers."""
        model, version = _named(request)
        if not await self._inference.is_model_ready(model, version, self._service.deadline(None)):
            raise Unavailable("The model does not answer now; come back later.", retry_after=1.0)
        return _json({"name": model, "ready": True})

    async def infer(self, request: Request) -> Response:
        """Tensors in, tensors out."""
        model, version = _named(request)
        self._service.check_door(model)
        call: Call = request.state.call
        deadline = self._service.deadline(None)
        async with deadline.enforced():
            asked = await self._read(request, model, version)
            work = self._inference.infer(asked.request, call, request.state.request_id, deadline)
            made = await unless_disconnected(request, work)
            with tracing.span("render"):
                answer = await asyncio.to_thread(write_infer, made.reply, asked.is_binary)
        headers = {**_HEADERS, **answer.headers, SERVER_TIMING: server_timing(made.report)}
        return Response(answer.body, media_type=answer.media_type, headers=headers)

    async def _read(self, request: Request, model: str, version: str) -> HttpInfer:
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise InvalidRequest("Compressed requests are not taken; send the body as it is.")
        body = await read_raw(request, self._limit, 4 * (self._limit // 3 + 1) + _TEXT_SLACK, seconds=self._patience)
        async with self._reading:
            return await asyncio.to_thread(read_infer, body, request.headers.get(HEADER_LENGTH), model, version)


def _named(request: Request) -> tuple[str, str]:
    """The model and the version in the path; the latter may be absent."""
    return request.path_params["model"], request.path_params.get("version", "")


def _json(document: JsonObject, *, status: int = 200) -> Response:
    return Response(dump_json(document), status, media_type=JSON, headers=_HEADERS)
