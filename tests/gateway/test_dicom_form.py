"""Explanations as DICOM over REST: one object, or all of them in parts as DICOMweb sends them."""

from __future__ import annotations

import io
from email import message_from_bytes
from email.policy import HTTP

import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.gateway.running import Running
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import WorkerDouble
from tests.pacs.sources import COMPLETE, source_file

pytestmark = pytest.mark.asyncio(loop_scope="module")

MULTIPART = 'multipart/related; type="application/dicom"'
BOTH = ["Effusion", "Cardiomegaly"]
KINDS = {"stack": "Grayscale Byte", "overlay": "Secondary Capture", "report": "3D SR", "segmentation": "Segmentation"}


async def ask(running: Running, accept: str, image: bytes, **query: str | list[str]) -> httpx.Response:
    return await running.rest.post("/v1/explain", params=query, content=image, headers={"accept": accept})


def read_parts(answer: httpx.Response) -> list[Dataset]:
    """By the standard library's own reader of multipart bodies."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.content, policy=HTTP)
    assert message.get_content_type() == "multipart/related"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["application/dicom"] * len(parts)
    boundary = message.get_boundary()
    bodies = answer.content.split(f"--{boundary}".encode())[1:-1]
    return [dcmread(io.BytesIO(body.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n"))) for body in bodies]


async def test_all_objects_of_all_findings_come_in_parts(running: Running) -> None:
    answer = await ask(running, MULTIPART, source_file(), finding=BOTH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(f"{MULTIPART}; boundary=")
    assert "cxrshift-finding" not in answer.headers
    parts = read_parts(answer)
    assert [part.Modality for part in parts] == ["OT", "OT", "SR"] * 2
    assert {part.StudyInstanceUID for part in parts} == {COMPLETE["StudyInstanceUID"]}
    assert len({part.SOPInstanceUID for part in parts}) == 6


@pytest.mark.parametrize(("kind", "name"), list(KINDS.items()))
async def test_one_object_of_the_first_finding_is_chosen_by_name(running: Running, kind: str, name: str) -> None:
    answer = await ask(running, "application/dicom", source_file(), finding=BOTH, object=kind)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom"), answer.text
    assert answer.headers["cxrshift-finding"] == "Effusion"
    assert answer.headers["cxrshift-findings-left-out"] == "Cardiomegaly"
    made = dcmread(io.BytesIO(answer.content))
    assert name in made.SOPClassUID.name
    assert answer.content[128:132] == b"DICM"


async def test_without_a_choice_it_is_the_stack(running: Running) -> None:
    made = dcmread(io.BytesIO((await ask(running, "application/dicom", source_file())).content))
    assert (made.NumberOfFrames, made.PatientName) == (3, "Doe^Jane")


async def test_parts_can_be_chosen_too(running: Running) -> None:
    answer = await ask(running, MULTIPART, source_file(), object="segmentation,report")
    assert [part.Modality for part in read_parts(answer)] == ["SR", "SEG"]


async def test_a_form_may_carry_the_radiograph(running: Running) -> None:
    answer = await running.rest.post(
        "/v1/explain", files={"file": ("x", source_file())}, headers={"accept": "application/dicom"}
    )
    assert dcmread(io.BytesIO(answer.content)).PatientID == "P-17"


@pytest.mark.parametrize("accept", ["application/dicom", MULTIPART])
async def test_a_picture_that_is_no_dicom_file_is_refused_before_it_is_explained(
    running: Running, double: WorkerDouble, accept: str
) -> None:
    answer = await ask(running, accept, npy_image())
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_IMAGE")
    assert "DICOM radiograph" in answer.json()["detail"]
    assert double.works == []


@pytest.mark.parametrize(
    ("accept", "objects", "status", "says"),
    [
        ("application/dicom", ["stack", "report"], 400, "holds one object"),
        ("application/json", ["stack"], 400, "object chooses among DICOM objects"),
        (MULTIPART, ["movie"], 400, "query parameter object is wrong"),
        ('multipart/related; type="application/octet-stream"', [], 406, "multipart/related"),
    ],
)
async def test_what_cannot_be_is_refused(
    running: Running, double: WorkerDouble, accept: str, objects: list[str], status: int, says: str
) -> None:
    answer = await ask(running, accept, source_file(), object=objects)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert double.works == []
