"""The way in over DICOMweb: Store Transactions (STOW-RS, PS3.18 section 10.5) of whole DICOM files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...threaded_server import ThreadedServer
from .arrivals import STOW, Arrival
from .intake import Intake, StoreStatus
from .settings import StowSettings
from .tls import server_context

_DICOM_JSON = "application/dicom+json"
_REFERENCED, _FAILED, _REASON = "00081199", "00081198", "00081197"
_CLASS, _INSTANCE = "00081150", "00081155"


class StowServer(ThreadedServer):
    """Listens for HTTP: ``with StowServer(settings, intake) as stow``. Raises OSError and RuntimeError."""

    def __init__(self, settings: StowSettings, intake: Intake) -> None:
        tls = server_context(settings.tls) if settings.tls else None
        super().__init__(make_stow_app(settings, intake), settings.host, settings.port, name="STOW-RS", tls=tls)


def make_stow_app(settings: StowSettings, intake: Intake) -> Starlette:
    """The ASGI app: POST /dicom-web/studies and /dicom-web/studies/{study}."""

    async def store(request: Request) -> Response:
        boundary = _boundary(request.headers.get("content-type", ""))
        if boundary is None:
            return _refuse(415, 'Send multipart/related; type="application/dicom" with a boundary.')
        try:
            parts = await _read_parts(request, boundary, settings.most_bytes)
        except FormParserError:
            return _refuse(400, "The body is not the multipart message that its header says.")
        except ClientDisconnect:
            return Response(status_code=400)
        if parts is None:
            return _refuse(413, f"The request is larger than {settings.most_bytes} bytes.")
        if not parts:
            return _refuse(400, "The body holds no DICOM file.")
        study = request.path_params.get("study", "")
        address = request.client.host if request.client else ""
        taken = [
            await run_in_threadpool(intake.take, part, STOW, "stow", study=study, address=address) for part in parts
        ]
        return _answer(taken)

    paths = ("/dicom-web/studies", "/dicom-web/studies/{study}")
    return Starlette(routes=[Route(path, store, methods=["POST"]) for path in paths])


@dataclass
class _Parts:
    """The bodies of a multipart message, gathered from a parser's callbacks."""

    whole: list[bytes] = field(default_factory=list)
    current: bytearray = field(default_factory=bytearray)

    def begin(self) -> None:
        self.current = bytearray()

    def add(self, data: bytes, start: int, end: int) -> None:
        self.current += data[start:end]

    def end(self) -> None:
        self.whole.append(bytes(self.current))


async def _read_parts(request: Request, boundary: str, limit: int) -> list[bytes] | None:
    """The bodies of the parts; None where the message is longer than ``limit``. Raises FormParserError."""
    parts = _Parts()
    parser = MultipartParser(
        boundary,
        {"on_part_begin": parts.begin, "on_part_data": parts.add, "on_part_end": parts.end},
    )
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        parser.write(chunk)
    parser.finalize()
    return parts.whole


def _boundary(content_type: str) -> str | None:
    message = Message()
    message["content-type"] = content_type
    kind = str(message.get_param("type", "application/dicom")).lower()
    boundary = message.get_param("boundary")
    fits = message.get_content_type() == "multipart/related" and kind == "application/dicom"
    return str(boundary) if fits and boundary else None


def _answer(taken: list[tuple[StoreStatus, Arrival | None]]) -> Response:
    """What became of each object (PS3.18 I.2): 200 where all were stored, 202 where some, 409 where none.

    503 asks to try again where there was no room for any.
    """
    stored = [_item(arrival) for status, arrival in taken if status is StoreStatus.SUCCESS]
    failed = [_item(arrival, status) for status, arrival in taken if status is not StoreStatus.SUCCESS]
    body: dict[str, Any] = {}
    if stored:
        body[_REFERENCED] = {"vr": "SQ", "Value": stored}
    if failed:
        body[_FAILED] = {"vr": "SQ", "Value": failed}
    code = 200 if not failed else 202 if stored else 409
    headers = {}
    if not stored and all(status is StoreStatus.OUT_OF_RESOURCES for status, _ in taken):
        code, headers = 503, {"retry-after": "30"}
    return Response(json.dumps(body), code, headers, _DICOM_JSON)


def _item(arrival: Arrival | None, reason: StoreStatus | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if arrival:
        item[_CLASS] = {"vr": "UI", "Value": [arrival.sop_class_uid]}
        item[_INSTANCE] = {"vr": "UI", "Value": [arrival.sop_instance_uid]}
    if reason is not None:
        item[_REASON] = {"vr": "US", "Value": [int(reason)]}
    return item


def _refuse(code: int, message: str) -> Response:
    return Response(json.dumps({"status": code, "detail": message}), code, media_type="application/problem+json")
