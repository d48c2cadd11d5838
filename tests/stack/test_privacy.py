"""Names and numbers of patients, planted in every text attribute, are nowhere in what the system writes of its own."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import pytest
from pydicom import dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import AE

from cxrshift.image.libraries import silence
from cxrshift.pacs.bridge.spool_records import State
from cxrshift.pacs.bridge.spool_view import look_into
from cxrshift.serving.processes import free_ports
from cxrshift.serving.stack import Stack
from cxrshift_api import explain_pb2 as pb
from tests.orthanc import AE_TITLE, Orthanc
from tests.pacs.bridge.examples import wait_until
from tests.pacs.bridge.process import CXRSHIFT, BridgeProcess
from tests.pacs.films import film
from tests.stack.stack_calls import stub_for

WORD = "ZQXPHI"
"""In everything that is planted, and in nothing else."""
DIGITS = "19370413"
"""The planted birth date; dates and numbers take no letters."""
_TEXTS = {
    "PN": 60,
    "LO": 60,
    "SH": 16,
    "LT": 200,
    "ST": 200,
    "UT": 200,
    "UC": 60,
    "AE": 16,
    "CS": 16,
    "AS": 0,
    "UR": 60,
}
_KEPT = {"SOPClassUID", "Modality", "PhotometricInterpretation", "SpecificCharacterSet", "PatientOrientation"} | {
    "PresentationIntentType",
    "PresentationLUTShape",
    "VOILUTFunction",
    "PixelPresentation",
    "RescaleType",
    "Manufacturer",
}
"""What decides how the file is read, and whether."""


def plant(content: bytes) -> bytes:
    """The file with the word in every text attribute that the dictionary knows, at the top and in a sequence."""
    with silence():
        dataset = dcmread(io.BytesIO(content))
        item = Dataset()
        for tag, entry in DicomDictionary.items():
            keyword, length = keyword_for_tag(tag), _TEXTS.get(entry[0], 0)
            if not keyword or keyword in _KEPT or not length or tag >> 16 in (0x0000, 0x0002, 0x0004, 0x0006, 0x0028):
                continue
            text = f"{WORD}^{tag:08X}"[:length].replace("^", " " if entry[0] == "CS" else "^")
            setattr(dataset, keyword, text)
            setattr(item, keyword, text)
        dataset.PatientBirthDate = DIGITS
        dataset.RequestAttributesSequence = Sequence([item])
        dataset.add_new(0x00091001, "LO", f"{WORD} private")
        buffer = io.BytesIO()
        dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


def write_config(folder: Path, stack: Stack, archive: Orthanc, ports: tuple[int, ...]) -> Path:
    path = folder / "bridge.toml"
    path.write_text(
        f"""
        log_level = "DEBUG"
        service = {{ address = "grpc://{stack.grpc_target}" }}
        spool = {{ folder = "spool", first_wait = 0.1, longest_wait = 0.5, least_free = 0 }}
        scp = {{ port = {ports[0]}, callers = ["FRIEND"] }}
        stow = {{ port = {ports[1]} }}
        metrics = {{ port = {ports[2]} }}
        [destinations.archive]
        kind = "dimse"
        host = "127.0.0.1"
        port = {archive.dicom_port}
        ae_title = "{AE_TITLE}"
        [destinations.nowhere]
        kind = "stow"
        url = "http://127.0.0.1:9/dicom-web"
        [[rules]]
        name = "films"
        match = {{ modality = ["CR"], study_description = ["{WORD.lower()}*"] }}
        findings = ["Effusion"]
        objects = ["stack", "overlay", "report", "segmentation"]
        send_to = ["archive", "nowhere"]
        """
    )
    return path


def bad_files() -> dict[str, bytes]:
    """Files that fail in one place each."""
    good = film(21)

    def changed(number: int, **attributes: object) -> bytes:
        return plant(film(number, **attributes))

    whole = plant(good)
    return {
        "cut short": whole[: len(whole) // 2],
        "header alone": whole[:3000],
        "not DICOM": f"{WORD} is no image".encode() * 50,
        "malformed": whole.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00QQ"),
        "no pixels": changed(22, PixelData=None),
        "CT": changed(23, Modality="CT"),
        "bad window": changed(24, WindowCenter="1111", WindowWidth="10").replace(b"1111", b"1\\xx"),
        "odd photometric": changed(25, PhotometricInterpretation=f"{WORD}"),
        "odd modality": changed(26, Modality=f"{WORD}"),
        "odd rows": changed(27, Rows=299),
    }


def send_everything(stack: Stack, stow_port: int, scp_port: int) -> list[str]:
    """Every file by every way; returns what was answered."""
    answers = []
    with silence():  # what is malformed is meant to be
        files = {"good": plant(film(20)), **bad_files()}
    with grpc.insecure_channel(stack.grpc_target) as channel:
        stub = stub_for(channel)
        for content in files.values():
            with suppress(grpc.RpcError):
                stub.Explain(pb.ExplainRequest(image=content), timeout=60.0)
            try:
                stub.Explain(pb.ExplainRequest(image=content, model="", request_id=f"{WORD} id"), timeout=60.0)
            except grpc.RpcError as error:
                answers.append(str(error))
    for content in files.values():
        url = f"{stack.rest_url}/v1/explain?finding=Effusion"
        form = {"file": (f"{WORD}.dcm", content)}
        told = [
            httpx.post(url, content=content, timeout=60.0),
            httpx.post(url, files=form, headers={"accept": "application/dicom"}, timeout=60.0),
        ]
        answers += [answer.text + str(answer.headers) for answer in told if not answer.is_success]
        body = b"--xx\r\ncontent-type: application/dicom\r\n\r\n" + content + b"\r\n--xx--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=xx'
        stored = httpx.post(
            f"http://127.0.0.1:{stow_port}/dicom-web/studies", content=body, headers={"content-type": kind}
        )
        answers.append(stored.text)
    entity = AE("FRIEND")
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.1.2.1")
    for content in files.values():
        with silence(), suppress(Exception):  # some of these no sender can send
            association = entity.associate("127.0.0.1", scp_port, ae_title="CXRSHIFT")
            association.send_c_store(dcmread(io.BytesIO(content), force=True))
            association.release()
    return answers


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_nothing_of_a_patient_is_in_any_log_metric_error_or_file_name(
    stack: Stack, archive: Orthanc, tmp_path: Path
) -> None:
    ports, log = free_ports(3), tmp_path / "bridge.log"
    config = write_config(tmp_path, stack, archive, ports)
    with BridgeProcess(config, log):
        answers = send_everything(stack, ports[1], ports[0])
        spool = tmp_path / "spool"
        wait_until(lambda: look_into(spool).counts[State.WAITING] == 0, 120.0)
        wait_until(lambda: len(archive.instances()) >= 4, 60.0)
        metrics = [httpx.get(url).text for url in (f"http://127.0.0.1:{ports[2]}/metrics", stack.metrics_url)]
        told = [
            subprocess.run([CXRSHIFT, "pacs", "status", config, *more], capture_output=True, text=True, check=False)
            for more in ([], ["--json"])
        ]
    counts = look_into(spool).counts
    assert counts[State.EXPLAINED] >= 1  # the good one, which "nowhere" never gets
    assert counts[State.DEAD] >= 5
    assert counts[State.IGNORED] >= 1
    found = archive.tags(archive.instances()[0]["ID"])
    assert WORD in found["PatientName"]  # where it belongs

    written = {
        "answers": "\n".join(answers),
        "metrics": "\n".join(metrics),
        "status": "\n".join(done.stdout + done.stderr for done in told),
        "bridge": log.read_text("utf-8", "replace"),
    }
    for folder in (stack.torchserve._folder, stack.gateway._folder):
        for path in folder.rglob("*"):
            if path.is_file():
                written[str(path)] = path.read_text("utf-8", "replace")
    for path in spool.rglob("*"):
        written[f"name of {path}"] = path.name
        if path.is_file() and path.suffix != ".dcm":  # the images themselves are the spool's to keep
            written[str(path)] = path.read_bytes().decode("latin-1")
    assert len(written["answers"]) > 1000
    assert len(written["metrics"]) > 1000
    assert any("audit.xml" in name for name in written)
    assert any("gateway.log" in name for name in written)
    assert any("workers.log" in name for name in written)
    leaks = {name for name, text in written.items() if WORD.lower() in text.lower() or DIGITS in text}
    assert leaks == set()
