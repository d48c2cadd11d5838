"""The service over REST: HTTP to values and back, problems to RFC 9457."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from cxrshift import tracing
from cxrshift.config import Settings
from cxrshift.errors import CodedError, InternalError, InvalidRequest
from cxrshift.gateway import rest_docs
from cxrshift.gateway.access.door import Door
from cxrshift.gateway.bodies import ClassifyBody, ExplainBody, ModelsBody
from cxrshift.gateway.calls import CallLog
from cxrshift.gateway.dicom_form import check_image, check_kinds
from cxrshift.gateway.event_lines import EventLines
from cxrshift.gateway.forms import CLASSIFY_FORMS, EXPLAIN_FORMS, MODEL_FORMS, ONE_FINDING, Answer, Forms, Rendered
from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.negotiation import choose_media_type
from cxrshift.gateway.observed_route import ObservedRoute, StreamedRoute
from cxrshift.gateway.oip import rest as oip
from cxrshift.gateway.oip.inference import OpenInference
from cxrshift.gateway.readiness import Readiness
from cxrshift.gateway.request_ids import RequestIds
from cxrshift.gateway.rest_body import SlowUpload, read_image, unless_disconnected
from cxrshift.gateway.rest_probes import make_probe_router
from cxrshift.gateway.rest_query import ClassifyQuery, ExplainQuery, refuse_repeats
from cxrshift.gateway.safe_headers import SafeHeaders
from cxrshift.gateway.service import ExplainService
from cxrshift.gateway.status import HTTP_TITLES, http_problem
from cxrshift.gateway.timing import SERVER_TIMING, server_timing
from cxrshift.gateway.usage import make_usage_router
from cxrshift.gateway.viewer import viewer_routes
from cxrshift_api.types import ClassifyRequest, ExplainReply, ExplainRequest, Problem, WorkReport
from cxrshift_api.wire import API_KEY, NDJSON, REQUEST_ID

_Reply = TypeVar("_Reply")
_NO_STORE = {"cache-control": "no-store", "vary": "accept"}
EXPLAINED = "cxrshift-finding"
"""Header of an image answer: the finding that it shows, percent-encoded."""
LEFT_OUT = "cxrshift-findings-left-out"
"""Header of an image answer: the findings that it does not show, percent-encoded, separated by commas."""


class NotAcceptable(InvalidRequest):
    """No form that is offered is one that the caller accepts."""


_HTTP_ONLY: Mapping[type[InvalidRequest], int] = {NotAcceptable: 406, SlowUpload: 408}


@dataclass(frozen=True)
class RestParts:
    """What the REST app is made of."""

    service: ExplainService
    calls: CallLog
    metrics: Metrics
    readiness: Readiness
    door: Door
    settings: Settings


def make_rest_app(parts: RestParts) -> FastAPI:
    """The ASGI app, without lifespan: whoever runs it owns the parts."""
    app = FastAPI(title="cxrshift", openapi_url="/openapi.json", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.calls = parts.calls
    app.openapi = partial(rest_docs.document, app)  # type: ignore[method-assign]
    app.include_router(_operations(parts))
    app.include_router(_streams(parts))
    app.include_router(make_usage_router(parts.door.shares))
    app.include_router(make_probe_router(parts.readiness))
    if parts.settings.viewer:
        app.router.routes.extend(viewer_routes(parts.settings))
    inference = OpenInference(parts.service, parts.readiness)
    app.include_router(oip.make_router(parts.service, inference, parts.settings, ObservedRoute))
    app.add_exception_handler(CodedError, _answer_coded)
    app.add_exception_handler(HTTPException, partial(_answer_http, parts.metrics))
    app.add_exception_handler(Exception, _answer_fault)
    app.add_middleware(RequestIds)
    if parts.settings.cors_origins:
        _allow_origins(app, parts.settings.cors_origins)
    over_tls, is_stopping = parts.settings.tls_certificate is not None, parts.readiness.stopping.is_set
    app.add_middleware(SafeHeaders, over_tls=over_tls, is_stopping=is_stopping)
    return app


def _allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call, with a key or token of their own but never with cookies."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["accept", "authorization", "content-type", API_KEY, REQUEST_ID],
        expose_headers=[REQUEST_ID, "retry-after", SERVER_TIMING, EXPLAINED, LEFT_OUT],
    )


def _operations(parts: RestParts) -> APIRouter:
    router = APIRouter(prefix="/v1", route_class=ObservedRoute)
    service, limit, patience = parts.service, parts.settings.max_request_bytes, parts.settings.upload_seconds

    @router.post(
        "/explain",
        openapi_extra=rest_docs.IMAGE_BODY,
        responses=rest_docs.answers(ExplainBody, EXPLAIN_FORMS.media_types, "An explanation for each finding."),
    )
    async def explain(request: Request, query: Annotated[ExplainQuery, Query()]) -> Response:
        """Explain one radiograph. An image form shows the first finding and names those it leaves out in a header."""
        media_type = _choose(request, EXPLAIN_FORMS)
        refuse_repeats(request)
        check_kinds(query.object, media_type)
        service.check_door(query.model)
        deadline = service.deadline(query.timeout)
        async with deadline.enforced():
            image = request.state.call.image = await read_image(request, limit, seconds=patience)
            check_image(image, media_type)
            asked = ExplainRequest(image, query.model, query.to_options(), request.state.request_id)
            worked = await unless_disconnected(request, service.explain(asked, deadline))
            answer = Answer(worked, image, tuple(query.object))
            made = await _render(parts.metrics, EXPLAIN_FORMS, answer, media_type)
        shown = _say_shown(worked.reply) if media_type in ONE_FINDING else {}
        return Response(made.body, media_type=made.media_type, headers=_NO_STORE | _say_timing(worked.report) | shown)

    @router.post(
        "/classify",
        openapi_extra=rest_docs.IMAGE_BODY,
        responses=rest_docs.answers(ClassifyBody, CLASSIFY_FORMS.media_types, "Every finding's score."),
    )
    async def classify(request: Request, query: Annotated[ClassifyQuery, Query()]) -> Response:
        """Score one radiograph for every finding, without an explanation."""
        media_type = _choose(request, CLASSIFY_FORMS)
        refuse_repeats(request)
        service.check_door(query.model)
        deadline = service.deadline(query.timeout)
        async with deadline.enforced():
            image = request.state.call.image = await read_image(request, limit, seconds=patience)
            asked = ClassifyRequest(image, query.model, request.state.request_id)
            worked = await unless_disconnected(request, service.classify(asked, deadline))
        made = CLASSIFY_FORMS.render(worked.reply, media_type)
        return Response(made.body, media_type=made.media_type, headers=_NO_STORE | _say_timing(worked.report))

    @router.get(
        "/models", responses=rest_docs.answers(ModelsBody, MODEL_FORMS.media_types, "The models, the default first.")
    )
    async def list_models(request: Request) -> Response:
        """List the models that this service can ask."""
        media_type = _choose(request, MODEL_FORMS)
        models = await service.list_models(service.deadline(None))
        made = MODEL_FORMS.render(models, media_type)
        return Response(made.body, media_type=made.media_type, headers=_NO_STORE)

    return router


def _streams(parts: RestParts) -> APIRouter:
    router = APIRouter(prefix="/v1", route_class=StreamedRoute)
    service, limit, patience = parts.service, parts.settings.max_request_bytes, parts.settings.upload_seconds

    @router.post(
        "/explain/stream",
        openapi_extra=rest_docs.IMAGE_BODY,
        responses=rest_docs.event_answers(),
        name="explain_stream",
    )
    async def explain_stream(request: Request, query: Annotated[ExplainQuery, Query()]) -> Response:
        """Explain one radiograph, part by part as it is ready: progress, then each finding's heatmap, then all."""
        refuse_repeats(request)
        check_kinds(query.object, NDJSON)
        service.check_door(query.model)
        deadline = service.deadline(query.timeout)
        async with deadline.enforced():
            image = request.state.call.image = await read_image(request, limit, seconds=patience)
        asked = ExplainRequest(image, query.model, query.to_options(), request.state.request_id)
        return EventLines(request, service.explain_stream(asked, deadline), _NO_STORE)

    return router


def _choose(request: Request, forms: Forms[Any]) -> str:
    """The form that the caller wants. Raises NotAcceptable."""
    chosen = choose_media_type(",".join(request.headers.getlist("accept")), forms.media_types)
    if chosen is None:
        raise NotAcceptable(f"None of the accepted forms is offered; offered are: {', '.join(forms.media_types)}.")
    return chosen


async def _render(metrics: Metrics, forms: Forms[_Reply], reply: _Reply, media_type: str) -> Rendered:
    started = time.perf_counter()
    with tracing.span("render", form=media_type):
        made = await asyncio.to_thread(forms.render, reply, media_type)
    metrics.stage_seconds.labels("render").observe(time.perf_counter() - started)
    return made


def _say_timing(report: WorkReport) -> dict[str, str]:
    return {SERVER_TIMING: server_timing(report)}


def _say_shown(reply: ExplainReply) -> dict[str, str]:
    shown, *left_out = (quote(explanation.finding) for explanation in reply.explanations)
    return {EXPLAINED: shown} | ({LEFT_OUT: ",".join(left_out)} if left_out else {})


# ---- problems ----


def _answer(request: Request, problem: Problem, *, status: int | None = None) -> Response:
    render = oip.http_error if oip.is_here(request.url.path) else http_problem
    rendered = render(problem, request.state.request_id, status=status)
    return Response(rendered.body, rendered.status, headers=dict(rendered.headers))


async def _answer_coded(request: Request, error: Exception) -> Response:
    if not isinstance(error, CodedError):
        raise error
    status = next((status for kind, status in _HTTP_ONLY.items() if isinstance(error, kind)), None)
    return _answer(request, error.to_problem(), status=status)


async def _answer_http(metrics: Metrics, request: Request, error: Exception) -> Response:
    """What the router refuses: a path that is not there, a method that a path does not take."""
    if not isinstance(error, HTTPException):
        raise error
    allowed = Headers(error.headers).get("allow", "")
    message = (
        f"This path takes {allowed} only." if allowed else "There is nothing at this path; /docs says what there is."
    )
    problem = InvalidRequest(message).to_problem()
    metrics.end_call("rest", "other", problem.code.value, 0.0)
    answer = _answer(request, problem, status=error.status_code if error.status_code in HTTP_TITLES else None)
    if allowed:
        answer.headers["allow"] = allowed
    return answer


async def _answer_fault(request: Request, error: Exception) -> Response:
    return _answer(request, InternalError("The service failed on this request; its log says where.").to_problem())
