"""Serves pages: files of this package, and nothing that a page could be tricked into fetching from elsewhere."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # A copy may be kept, but is asked after before it is used: a page and its modules are always of one version.
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""What a page may do: run and fetch what comes from its own origin, show pictures that it made itself."""


def page_routes(name: str) -> list[BaseRoute]:
    """Routes that serve the page ``name`` at ``/`` and its files, and those that all pages share, under ``/web``."""

    async def index(_: object) -> Response:
        return FileResponse(FOLDER / name / "index.html", headers=PAGE_HEADERS)

    folders = [Mount(f"/web/{each}", _PageFiles(directory=FOLDER / each)) for each in (name, "common")]
    return [Route("/", index, name="index"), *folders]


class _PageFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(PAGE_HEADERS)
        return response
