"""Who is asking: a code for a session, a session's cookie for a person."""

from __future__ import annotations

import logging
import math

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..telemetry import log_event
from .cases import read_study
from .database import Database
from .people import close_session, find_session, open_session
from .records import Person, Role
from .tries import Tries
from .web_calls import Refusal, read_json, text_of

COOKIE = "cxrshift_study"
_LONGEST_CODE = 64

logger = logging.getLogger("cxrshift.study")


class Door:
    """Lets people in by their code, and says whose a request is."""

    def __init__(self, database: Database, *, over_tls: bool, tries: Tries | None = None) -> None:
        self._database = database
        self._over_tls = over_tls
        self._tries = tries or Tries()

    def routes(self) -> list[BaseRoute]:
        """In, out, and who one is."""
        return [
            Route("/api/login", self._login, methods=["POST"]),
            Route("/api/logout", self._logout, methods=["POST"]),
            Route("/api/session", self._describe),
        ]

    async def enter(self, request: Request, role: Role) -> Person:
        """The person whose session the request shows, who has the role. Raises Refusal."""
        token = request.cookies.get(COOKIE)
        person = await run_in_threadpool(find_session, self._database, token) if token else None
        if person is None:
            raise Refusal(401, "Enter your code.")
        if person.role is not role:
            raise Refusal(403, f"This needs the code of {'an administrator' if role is Role.ADMIN else 'a reader'}.")
        return person

    async def _login(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        wait = self._tries.wait(address)
        if wait > 0.0:
            seconds = math.ceil(wait)
            raise Refusal(429, f"Too many wrong codes. Wait {seconds} seconds.", {"retry-after": str(seconds)})
        code = text_of(await read_json(request), "code")
        opened = None
        if len(code) <= _LONGEST_CODE:
            opened = await run_in_threadpool(open_session, self._database, code)
        if opened is None:
            self._tries.fail(address)
            log_event(logger, "wrong code", level=logging.WARNING)
            raise Refusal(401, "This code does not open the study. Check it, or ask whoever runs the study.")
        person, token = opened
        log_event(logger, "logged in", person=person.number, role=person.role)
        response = JSONResponse({"role": person.role})
        response.set_cookie(COOKIE, token, path="/", secure=self._over_tls, httponly=True, samesite="strict")
        return response

    async def _logout(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        if token:
            await run_in_threadpool(close_session, self._database, token)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/", secure=self._over_tls, httponly=True, samesite="strict")
        return response

    async def _describe(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        person = await run_in_threadpool(find_session, self._database, token) if token else None
        study = await run_in_threadpool(read_study, self._database)
        if person is None:
            return JSONResponse({"title": study.title, "role": None})
        return JSONResponse({"title": study.title, "role": person.role, "name": person.name})
