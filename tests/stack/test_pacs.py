"""A radiograph's whole way: archive, bridge, service, and back into its study in the archive; with real parts alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import dcmread

from cxrshift.pacs.bridge.arrivals import digest_of, read_arrival
from cxrshift.pacs.bridge.bridge import Bridge
from cxrshift.pacs.bridge.destinations import open_sender
from cxrshift.pacs.bridge.settings import BridgeSettings, DimseDestination
from cxrshift.pacs.bridge.spool_records import State
from cxrshift.pacs.bridge.spool_view import look_into
from cxrshift.serving.processes import free_ports
from cxrshift.serving.stack import Stack
from tests.orthanc import AE_TITLE, Orthanc, by_kind
from tests.pacs.bridge.examples import wait_until
from tests.pacs.films import film

FINDINGS = ("Cardiomegaly", "Effusion")


@dataclass(frozen=True)
class Hospital:
    """An archive and a bridge that know each other."""

    orthanc: Orthanc
    bridge: Bridge

    def results(self) -> dict[str, list[dict[str, Any]]]:
        """Modality -> the results that stand in the archive."""
        return by_kind(self.orthanc.instances(), self.orthanc)

    def wait_for(self, results: int) -> dict[str, list[dict[str, Any]]]:
        """The results once there are so many."""
        wait_until(lambda: sum(map(len, self.results().values())) >= results, 60.0)
        return self.results()


@contextmanager
def open_hospital(folder: Path, stack: Stack, *, back: str, route: bool = False, **changes: Any) -> Iterator[Hospital]:
    scp_port, stow_port, http_port, dicom_port = free_ports(4)
    archive = {
        "dimse": {"kind": "dimse", "host": "127.0.0.1", "port": dicom_port, "ae_title": AE_TITLE},
        "stow": {"kind": "stow", "url": f"http://127.0.0.1:{http_port}/dicom-web"},
    }[back]
    rule = {"name": "films", "match": {"modality": ["CR", "DX"]}, "findings": FINDINGS, "send_to": ["archive"]}
    given = {
        "service": {"address": f"grpc://{stack.grpc_target}"},
        "spool": {"folder": folder / "spool", "first_wait": 0.2, "longest_wait": 1.0, "least_free": 0},
        "scp": {"port": scp_port, "callers": [AE_TITLE]},
        "stow": {"port": stow_port},
        "metrics": {"port": 0},
        "destinations": {"archive": archive},
        "rules": [rule],
    }
    settings = BridgeSettings.model_validate(given | changes)
    orthanc = Orthanc(
        folder / "orthanc",
        modalities={"CXRSHIFT": ("127.0.0.1", scp_port)},
        servers={"bridge": f"http://127.0.0.1:{stow_port}/dicom-web/"},
        route_to="CXRSHIFT" if route else "",
        ports=(http_port, dicom_port),
    )
    with orthanc, Bridge(settings) as bridge:
        yield Hospital(orthanc, bridge)


def test_the_archive_routes_a_film_and_gets_its_explanation_into_the_same_study(stack: Stack, tmp_path: Path) -> None:
    with open_hospital(tmp_path, stack, back="dimse", route=True) as hospital:
        source = film(3)
        modality = DimseDestination(
            kind="dimse",
            host="127.0.0.1",
            port=hospital.orthanc.dicom_port,
            ae_title=AE_TITLE,
            calling_ae_title="ROOM1",
        )
        open_sender(modality).send([source])
        results = hospital.wait_for(6)
        assert {modality: len(objects) for modality, objects in results.items()} == {"OT": 4, "SR": 2}
        [study] = hospital.orthanc.http.get("/studies").json()
        stored = dcmread(io.BytesIO(source))
        made = [tags for objects in results.values() for tags in objects]
        assert {tags["StudyInstanceUID"] for tags in made} == {stored.StudyInstanceUID}
        assert {tags["PatientID"] for tags in made} == {stored.PatientID}

        look_at(hospital, results)

        # The results became stable series too, and were not routed: nothing more arrives, nothing more is made.
        hospital.orthanc.http.post(f"/studies/{study}/reconstruct")
        hospital.orthanc.http.post("/modalities/CXRSHIFT/store", json={"Resources": [study]}).raise_for_status()
        counts = look_into(hospital.bridge.settings.spool.folder).counts
        assert counts[State.DONE] == 1
        assert counts[State.IGNORED] == 6
        assert sum(map(len, hospital.results().values())) == 6


def look_at(hospital: Hospital, results: dict[str, list[dict[str, Any]]]) -> None:
    """By QIDO the series stand beside the source's; by WADO the objects are whole; frames are rendered as pictures."""
    client = DICOMwebClient(hospital.orthanc.dicom_web)
    study = results["OT"][0]["StudyInstanceUID"]
    modalities = [series["00080060"]["Value"][0] for series in client.search_for_series(study)]
    assert sorted(modalities) == ["CR", "OT", "SR"]
    fetched = {dataset.SOPInstanceUID: dataset for dataset in client.iter_study(study)}
    assert len(fetched) == 7
    stack_uid, overlay_uid = (
        next(t["SOPInstanceUID"] for t in results["OT"] if ("NumberOfFrames" in t) is many) for many in (True, False)
    )
    assert fetched[stack_uid].NumberOfFrames == 11
    frames = []
    for number in (1, 11):
        path = f"/studies/{study}/series/{fetched[stack_uid].SeriesInstanceUID}/instances/{stack_uid}/frames/{number}"
        answer = hospital.orthanc.http.get(f"/dicom-web{path}/rendered", headers={"accept": "image/png"})
        frames.append(np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)).convert("L"), np.float32))
    assert frames[0].shape == (fetched[stack_uid].Rows, fetched[stack_uid].Columns)
    assert frames[0].std() > 20.0  # a radiograph, not a blank
    assert 0.5 < np.abs(frames[1] - frames[0]).mean() < 60.0  # the finding curtailed, and exaggerated
    overlay = fetched[overlay_uid]
    assert (overlay.Rows, overlay.Columns, overlay.SamplesPerPixel) == (300, 256, 3)


def test_the_same_by_stow_both_ways(stack: Stack, tmp_path: Path) -> None:
    with open_hospital(tmp_path, stack, back="stow") as hospital:
        hospital.orthanc.store(film(4))
        [instance] = hospital.orthanc.http.get("/instances").json()
        answer = hospital.orthanc.http.post("/dicom-web/servers/bridge/stow", json={"Resources": [instance]})
        answer.raise_for_status()
        results = hospital.wait_for(6)
        assert {modality: len(objects) for modality, objects in results.items()} == {"OT": 4, "SR": 2}
        assert len(hospital.orthanc.http.get("/studies").json()) == 1


def test_what_cannot_be_explained_is_a_dead_letter_and_the_next_goes_on(stack: Stack, tmp_path: Path) -> None:
    with open_hospital(tmp_path, stack, back="dimse") as hospital:
        client = DICOMwebClient(f"http://127.0.0.1:{hospital.bridge.settings.stow.port}/dicom-web")  # type: ignore[union-attr]
        broken = dcmread(io.BytesIO(film(5)))
        broken.PixelData = broken.PixelData[:100]
        client.store_instances([broken])
        client.store_instances([dcmread(io.BytesIO(film(6)))])
        hospital.wait_for(6)
        overview = look_into(hospital.bridge.settings.spool.folder)
        assert (overview.counts[State.DEAD], overview.counts[State.DONE]) == (1, 1)
        [dead] = overview.troubled
        assert "DICOM" in dead.reason
        assert len(list((tmp_path / "spool/dead").glob("*.dcm"))) == 1


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_an_archive_that_is_down_gets_everything_when_it_is_back(stack: Stack, tmp_path: Path) -> None:
    with open_hospital(tmp_path, stack, back="dimse") as hospital:
        hospital.orthanc.stop()
        client = DICOMwebClient(f"http://127.0.0.1:{hospital.bridge.settings.stow.port}/dicom-web")  # type: ignore[union-attr]
        for number in (7, 8, 9):
            client.store_instances([dcmread(io.BytesIO(film(number)))])
        folder = hospital.bridge.settings.spool.folder
        wait_until(lambda: len(look_into(folder).troubled) == 3, 60.0)
        assert {job.reason for job in look_into(folder).troubled} == {"archive: The archive cannot be reached."}
        hospital.orthanc.start()
        results = hospital.wait_for(18)
        wait_until(lambda: look_into(folder).counts[State.DONE] == 3)
        assert {modality: len(objects) for modality, objects in results.items()} == {"OT": 12, "SR": 6}


def test_a_rule_that_rejects_gives_no_results_for_a_lateral_view(stack: Stack, tmp_path: Path) -> None:
    rule = {"name": "films", "findings": FINDINGS, "send_to": ["archive"], "unsuitable": "reject"}
    with open_hospital(tmp_path, stack, back="dimse", rules=[rule]) as hospital:
        client = DICOMwebClient(f"http://127.0.0.1:{hospital.bridge.settings.stow.port}/dicom-web")  # type: ignore[union-attr]
        client.store_instances([dcmread(io.BytesIO(film(10, ViewPosition="LL")))])
        folder = hospital.bridge.settings.spool.folder
        wait_until(lambda: look_into(folder).counts[State.IGNORED] == 1)
        assert hospital.results() == {}


def test_every_real_file_comes_to_an_end_with_results_or_a_reason(
    stack: Stack, tmp_path: Path, shared_data: Path
) -> None:
    """All that is sent is wanted by the rule, whatever it is."""
    rule = {"name": "all", "findings": FINDINGS[:1], "frames": 3, "send_to": ["archive"]}
    with open_hospital(tmp_path, stack, back="dimse", rules=[rule]) as hospital:
        port = hospital.bridge.settings.stow.port  # type: ignore[union-attr]
        kind = 'multipart/related; type="application/dicom"; boundary=xx'
        contents = {path.read_bytes() for path in (shared_data / "dicom").iterdir()}
        for content in contents:
            body = b"--xx\r\ncontent-type: application/dicom\r\n\r\n" + content + b"\r\n--xx--\r\n"
            answer = httpx.post(
                f"http://127.0.0.1:{port}/dicom-web/studies", content=body, headers={"content-type": kind}, timeout=60.0
            )
            assert answer.status_code in (200, 409)
        folder = hospital.bridge.settings.spool.folder
        unfinished = (State.WAITING, State.EXPLAINED)
        wait_until(lambda: not any(look_into(folder).counts[state] for state in unfinished), 240.0)
        overview = look_into(folder, limit=1000)
        assert overview.counts[State.DONE] + overview.counts[State.DEAD] == len(contents)
        assert overview.counts[State.DONE] >= 50
        assert overview.counts[State.DEAD] == len(overview.troubled) == len(list((folder / "dead").glob("*.dcm")))
        assert all(job.reason.endswith(".") for job in overview.troubled)
        assert not any("log says where" in job.reason for job in overview.troubled)
        dead = {job.digest for job in overview.troubled}
        explained = [content for content in contents if digest_of(content) not in dead]
        images = {read_arrival(content, "").sop_instance_uid for content in explained}  # some files are of one image
        results = hospital.results()
        assert (len(results["OT"]), len(results["SR"])) == (2 * len(images), len(images))
