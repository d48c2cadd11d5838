"""The study's web app: the pages, what a reader may ask, what an administrator may."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from cxrshift_api.json_codec import dump_json

from ..telemetry import describe_fault, log_event
from ..web.pages import FOLDER, PAGE_HEADERS, page_routes
from .admin import admin_routes
from .cases import read_explanation, read_study
from .database import Database
from .errors import AnswerError, MovedOn, StudyFileError
from .pictures import arm_pictures, describe_prediction
from .readings import find_place, rest_until, save_draft, submit_answer
from .records import Place, Role
from .sessions import Door
from .tries import Tries
from .web_calls import Refusal, SafeAnswers, answer_of, read_json, text_of

logger = logging.getLogger("cxrshift.study")


def make_study_app(database: Database, *, over_tls: bool = False, tries: Tries | None = None) -> ASGIApp:
    """The ASGI app of an open study; the database stays the caller's. Raises StudyFileError where it is unfinished."""
    read_study(database)
    door = Door(database, over_tls=over_tls, tries=tries)

    async def admin_page(_: Request) -> Response:
        return FileResponse(FOLDER / "study" / "admin.html", headers=PAGE_HEADERS)

    app = Starlette(
        routes=[
            *page_routes("study"),
            Route("/admin", admin_page),
            *door.routes(),
            *_reader_routes(database, door),
            *admin_routes(database, door),
        ],
        exception_handlers={
            Refusal: _refuse,
            MovedOn: _told(409),
            AnswerError: _told(400),
            StudyFileError: _file_trouble,
            Exception: _fault,
        },
    )
    return SafeAnswers(app, over_tls=over_tls)  # around all of it: an answer to a fault is an answer too


def _reader_routes(database: Database, door: Door) -> list[BaseRoute]:
    async def place(request: Request) -> Response:
        """Where the reader stands."""
        person = await door.enter(request, Role.READER)
        return JSONResponse(await run_in_threadpool(_describe_place, database, person.number))

    async def pictures(request: Request) -> Response:
        """What the reader's present case shows; the ticket keeps another window's page from showing this one's."""
        person = await door.enter(request, Role.READER)

        def draw() -> bytes:
            here = _stand(database, person.number)
            if here.ticket != request.query_params.get("ticket"):
                raise MovedOn("This case was answered in another window; load the page again.")
            return dump_json(arm_pictures(read_explanation(database, here.example), here.arm))

        return Response(await run_in_threadpool(draw), media_type="application/json")

    async def draft(request: Request) -> Response:
        person = await door.enter(request, Role.READER)
        body = await read_json(request)
        ticket, answer = text_of(body, "ticket"), answer_of(body)

        def keep() -> None:
            _stand(database, person.number)
            save_draft(database, person.number, ticket, answer)

        await run_in_threadpool(keep)
        return Response(status_code=204)

    async def answer(request: Request) -> Response:
        person = await door.enter(request, Role.READER)
        body = await read_json(request)
        ticket, given = text_of(body, "ticket"), answer_of(body)

        def keep() -> dict[str, object]:
            submit_answer(database, person.number, ticket, given)
            return _describe_place(database, person.number)

        return JSONResponse(await run_in_threadpool(keep))

    return [
        Route("/api/case", place),
        Route("/api/case/pictures", pictures),
        Route("/api/case/draft", draft, methods=["PUT"]),
        Route("/api/case/answer", answer, methods=["POST"]),
    ]


def _stand(database: Database, reader: int) -> Place:
    """The case that the reader has before him or her. Raises MovedOn where there is none now."""
    here = find_place(database, reader)
    if here is None or rest_until(database, reader, here, read_study(database).washout_days) is not None:
        raise MovedOn("There is no case to answer now; load the page again.")
    return here


def _describe_place(database: Database, reader: int) -> dict[str, object]:
    """All that a reader's page may know of where it stands. Of the case neither name nor label; of others nothing."""
    study = read_study(database)
    here = find_place(database, reader)
    if here is None:
        return {"stage": "done", "reads": study.arms.reads}
    rest = rest_until(database, reader, here, study.washout_days)
    known: dict[str, object] = {"read": here.read + 1, "reads": study.arms.reads, "cases": here.cases}
    if rest is not None:
        return {**known, "stage": "rest", "until": datetime.fromtimestamp(rest, UTC).isoformat(timespec="seconds")}
    draft = here.draft
    return {
        **known,
        "stage": "case",
        "ticket": here.ticket,
        "position": here.position + 1,
        "arm": here.arm,
        "prediction": describe_prediction(read_explanation(database, here.example)),
        "draft": {
            "confidence": draft.confidence,
            "correct_feature": draft.correct_feature,
            "comment": draft.comment,
            "seconds": draft.seconds,
        },
    }


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - for the type; Starlette calls it for nothing else
    return error.to_response()


def _told(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def tell(_: Request, error: Exception) -> Response:
        return Refusal(status, str(error)).to_response()

    return tell


async def _file_trouble(_: Request, error: Exception) -> Response:
    log_event(logger, "the study's file", level=logging.ERROR, fault=describe_fault(error))
    return Refusal(503, "The study's file cannot be written or read now; nothing was lost. Try again.").to_response()


async def _fault(_: Request, error: Exception) -> Response:
    log_event(logger, "fault", level=logging.ERROR, fault=describe_fault(error))
    return Refusal(500, "A fault of the study's server; what was saved is safe.").to_response()
