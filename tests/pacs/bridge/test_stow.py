"""STOW-RS as a DICOMweb client speaks it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread

from cxrshift.pacs.bridge.settings import StowSettings
from cxrshift.pacs.bridge.spool_records import State
from cxrshift.pacs.bridge.stow import StowServer
from tests.pacs.bridge.conftest import Desk
from tests.pacs.sources import source_file

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def stow(desk: Desk) -> Iterator[StowServer]:
    with StowServer(StowSettings(port=0, most_bytes=4 << 20), desk.intake) as running:
        yield running


def post(stow: StowServer, *files: bytes, path: str = "", content_type: str = "") -> httpx.Response:
    body = b"".join(b"--xx\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in files)
    headers = {"content-type": content_type or 'multipart/related; type="application/dicom"; boundary=xx'}
    url = f"http://127.0.0.1:{stow.port}/dicom-web/studies{path}"
    return httpx.post(url, content=body + b"--xx--\r\n", headers=headers)


def test_a_dicomweb_client_stores_radiographs(stow: StowServer, desk: Desk) -> None:
    files = [source_file(SOPInstanceUID=f"1.2.{number}") for number in range(3)]
    client = DICOMwebClient(f"http://127.0.0.1:{stow.port}/dicom-web")
    told = client.store_instances([dcmread(io.BytesIO(content)) for content in files])
    assert [item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence] == ["1.2.0", "1.2.1", "1.2.2"]
    assert desk.spool.count(State.WAITING) == 3
    assert {job.caller for job in desk.spool.due(10)} == {"stow"}


def test_what_is_sent_is_kept_byte_by_byte(stow: StowServer, desk: Desk) -> None:
    content = source_file()
    assert post(stow, content).status_code == 200
    assert desk.spool.source(desk.spool.due(1)[0]) == content


def test_of_several_the_bad_one_alone_fails(stow: StowServer, desk: Desk) -> None:
    answer = post(stow, source_file(SOPInstanceUID="1.2.8"), b"no DICOM", source_file(SOPInstanceUID="1.2.9"))
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/dicom+json"
    told = answer.json()
    assert [item["00081155"]["Value"] for item in told["00081199"]["Value"]] == [["1.2.8"], ["1.2.9"]]
    assert told["00081198"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert (desk.spool.count(State.WAITING), desk.spool.count(State.DEAD)) == (2, 1)


def test_none_stored_is_a_conflict(stow: StowServer) -> None:
    assert post(stow, b"no DICOM").status_code == 409


def test_the_study_of_the_address_is_the_only_one(stow: StowServer, desk: Desk) -> None:
    assert post(stow, source_file(), path="/1.2.3.1").status_code == 200
    answer = post(stow, source_file(SOPInstanceUID="1.2.7"), path="/1.2.4")
    assert answer.status_code == 409
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert desk.spool.count(State.WAITING) == 1


@pytest.mark.parametrize(
    "content_type",
    ["application/dicom", 'multipart/related; type="application/dicom"', "multipart/form-data; boundary=xx"],
)
def test_another_form_is_refused(stow: StowServer, content_type: str) -> None:
    answer = post(stow, source_file(), content_type=content_type)
    assert answer.status_code == 415
    assert "multipart/related" in answer.json()["detail"]


def test_a_message_that_is_none_is_refused(stow: StowServer) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{stow.port}/dicom-web/studies",
        content=b"hello",
        headers={"content-type": 'multipart/related; type="application/dicom"; boundary=xx'},
    )
    assert answer.status_code == 400


def test_a_request_over_the_limit_is_refused(stow: StowServer, desk: Desk) -> None:
    assert post(stow, bytes(5 << 20)).status_code == 413
    assert desk.spool.count(State.DEAD) == 0


def test_no_room_asks_to_come_back(desk: Desk, tmp_path: Path) -> None:
    from cxrshift.pacs.bridge.intake import Intake
    from tests.pacs.bridge.examples import make_settings

    settings = make_settings(tmp_path, spool={"folder": tmp_path, "least_free": 1 << 60})
    intake = Intake(settings, desk.spool, desk.metrics, desk.audit, on_new=lambda: None)
    with StowServer(StowSettings(port=0), intake) as stow:
        answer = post(stow, source_file())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_every_real_file_is_answered(stow: StowServer, desk: Desk, shared_data: Path) -> None:
    codes = {}
    for path in sorted((shared_data / "dicom").iterdir()):
        if path.suffix != ".csv" and path.stat().st_size < 4 << 20:
            codes[path.name] = post(stow, path.read_bytes()).status_code
            assert post(stow, source_file(16, 16)).status_code == 200
    assert len(codes) > 60
    assert set(codes.values()) == {200, 409}
    assert desk.spool.count(State.DEAD) == sum(code == 409 for code in codes.values())
