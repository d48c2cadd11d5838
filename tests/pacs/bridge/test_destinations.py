"""Results to archives: to a real one, and to others that answer as archives do on a bad day."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pynetdicom import AE, evt

from cxrshift.pacs.bridge.destinations import DeliveryFailed, DeliveryRefused, Sender, open_sender
from cxrshift.pacs.bridge.settings import DimseDestination, StowDestination
from cxrshift.pacs.results import make_objects
from cxrshift.serving.processes import free_ports
from tests.orthanc import AE_TITLE, Orthanc, by_kind
from tests.pacs.sources import MADE_AT, source_file
from tests.render.examples import make_explanation

WAYS = ("dimse", "stow")
SC, SR = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.88.34"


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return [made.content for made in make_objects(source_file(), [make_explanation()], made_at=MADE_AT)]


def to_dimse(port: int) -> Sender:
    return open_sender(DimseDestination(kind="dimse", host="127.0.0.1", port=port, ae_title=AE_TITLE, timeout=2.0))


def to_stow(port: int, **more: object) -> Sender:
    given = {"kind": "stow", "url": f"http://127.0.0.1:{port}/dicom-web", "timeout": 2.0, **more}
    return open_sender(StowDestination.model_validate(given))


@pytest.mark.parametrize("way", WAYS)
def test_an_archive_has_each_object_once_however_often_it_is_sent(
    orthanc: Orthanc, files: list[bytes], way: str
) -> None:
    sender = to_dimse(orthanc.dicom_port) if way == "dimse" else to_stow(orthanc.http_port)
    for _ in range(2):
        sender.send(files)
    found = by_kind(orthanc.instances(), orthanc)
    assert {modality: len(objects) for modality, objects in found.items()} == {"OT": 2, "SR": 1}
    assert len(orthanc.http.get("/studies").json()) == 1


# pynetdicom lets go of a socket that never connected without closing it.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("make", [to_dimse, to_stow])
def test_an_archive_that_is_down_may_be_tried_again(make: Callable[[int], Sender], files: list[bytes]) -> None:
    [port] = free_ports(1)
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        make(port).send(files)


@contextmanager
def scp_that_says(status: int, *classes: str) -> Iterator[int]:
    entity = AE(AE_TITLE)
    for each in classes:
        entity.add_supported_context(each)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: status)])
    assert server
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (0x0000, None),
        (0xB000, None),
        (0xA700, DeliveryFailed),
        (0x0110, DeliveryFailed),
        (0x0124, DeliveryFailed),
        (0xA900, DeliveryRefused),
        (0xC000, DeliveryRefused),
    ],
)
def test_a_status_says_whether_to_try_again(files: list[bytes], status: int, problem: type[Exception] | None) -> None:
    with scp_that_says(status, SC, SR, "1.2.840.10008.5.1.4.1.1.7.2") as port:
        if problem is None:
            to_dimse(port).send(files)
        else:
            with pytest.raises(problem, match=f"0x{status:04X}"):
                to_dimse(port).send(files)


def test_an_archive_that_takes_no_such_class_refuses(files: list[bytes]) -> None:
    with scp_that_says(0, SC) as port, pytest.raises(DeliveryRefused, match="does not take objects of this class"):
        to_dimse(port).send(files)


def test_an_archive_that_knows_us_not_may_come_to_know_us(files: list[bytes]) -> None:
    entity = AE("ANOTHER")
    entity.require_called_aet = True
    entity.add_supported_context(SC)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server
    try:
        with pytest.raises(DeliveryFailed, match="refused the association"):
            to_dimse(server.server_address[1]).send(files)
    finally:
        server.shutdown()


class _Answers(BaseHTTPRequestHandler):
    def __init__(self, code: int, body: bytes, seen: list[str], *arguments: object) -> None:
        self._code, self._body, self._seen = code, body, seen
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_POST(self) -> None:
        self._seen.append(self.headers.get("authorization", ""))
        if "content-length" in self.headers:
            self.rfile.read(int(self.headers["content-length"]))
        else:
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.send_response(self._code)
        self.send_header("content-type", "application/dicom+json")
        self.send_header("content-length", str(len(self._body)))
        self.end_headers()
        self.wfile.write(self._body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def http_that_says(code: int, body: object = None) -> Iterator[tuple[int, list[str]]]:
    seen: list[str] = []
    content = b"" if body is None else json.dumps(body).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, code, content, seen))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port, seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def failed(reason: int) -> dict[str, object]:
    return {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}


@pytest.mark.parametrize(
    ("code", "body", "problem"),
    [
        (200, {}, None),
        (202, failed(0xA700), DeliveryFailed),
        (202, failed(0xC000), DeliveryRefused),
        (400, None, DeliveryRefused),
        (401, None, DeliveryFailed),
        (409, None, DeliveryRefused),
        (429, None, DeliveryFailed),
        (503, None, DeliveryFailed),
    ],
)
def test_an_http_status_says_whether_to_try_again(
    files: list[bytes], code: int, body: object, problem: type[Exception] | None
) -> None:
    with http_that_says(code, body) as (port, _):
        if problem is None:
            to_stow(port).send(files)
        else:
            with pytest.raises(problem):
                to_stow(port).send(files)


def test_the_token_of_a_file_goes_with_the_request(files: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with http_that_says(200, {}) as (port, seen):
        to_stow(port, token_file=tmp_path / "token").send(files)
    assert seen == ["Bearer s3cret"]
