"""Studies sent while everything is killed: each has exactly one set of results in the archive at the end.

``CXRSHIFT_STUDIES`` says how many (12): ``CXRSHIFT_STUDIES=200 make test ARGS=tests/stack/test_pacs_faults.py`` takes
minutes.
"""

from __future__ import annotations

import gc
import io
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from cxrshift.image.libraries import silence
from cxrshift.pacs.bridge.spool_records import State
from cxrshift.pacs.bridge.spool_view import look_into
from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift.serving.stack import Stack
from cxrshift.serving.store import StoreSettings, build_store
from cxrshift.serving.torchserve import TorchServeConfig, TorchServeProcess
from tests.orthanc import AE_TITLE, Orthanc
from tests.pacs.bridge.examples import wait_until
from tests.pacs.bridge.process import BridgeProcess
from tests.pacs.films import film
from tests.ports import quiet_ports

STUDIES = int(os.environ.get("CXRSHIFT_STUDIES", "12"))
BRIDGE_KILLS = 10 if STUDIES >= 100 else 3
SERVICE_KILLS = 2 if STUDIES >= 100 else 1
PATIENCE = 60.0 + 4.0 * STUDIES
RESULTS = {"stack", "overlay", "report"}

pytestmark = [
    pytest.mark.timeout(240.0 + 8.0 * STUDIES),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _sockets_let_go() -> Iterator[None]:
    """pynetdicom lets go of sockets that never connected without closing them; not in a later test, please."""
    yield
    gc.collect()


class Service:
    """TorchServe and gateway, of which the first can be killed and started again at the same address."""

    def __init__(self, folder: Path, model: Path, exits: ExitStack) -> None:
        store = build_store((model,), folder / "store", settings=StoreSettings())
        inference, grpc = quiet_ports(2)
        self._config = TorchServeConfig(store, ("phantom",), inference_port=inference, grpc_port=grpc)
        self._torchserve = TorchServeProcess(self._config)
        exits.callback(lambda: self._torchserve.stop())
        self._torchserve.wait_ready()
        facing = GatewayConfig(upstream=self._torchserve.grpc_target, models=("phantom",))
        self.target = exits.enter_context(GatewayProcess(facing)).grpc_target

    def kill(self) -> None:
        """TorchServe and its worker end as by a power cut, and are started again."""
        for pid in (*self._torchserve.worker_pids(), self._torchserve.pid):
            os.kill(pid, signal.SIGKILL)
        self._torchserve.stop()
        self._torchserve = TorchServeProcess(self._config)
        self._torchserve.wait_ready()


@contextmanager
def open_archive_and_bridge(folder: Path, target: str) -> Iterator[tuple[Orthanc, BridgeProcess, int]]:
    """An archive, and a bridge between it and the service at ``target``."""
    with ExitStack() as exits:
        scp_port, metrics_port, http_port, dicom_port = quiet_ports(4)
        archive = exits.enter_context(Orthanc(folder / "orthanc", ports=(http_port, dicom_port)))
        config = folder / "bridge.toml"
        config.write_text(
            f"""
            service = {{ address = "grpc://{target}", timeout = 60 }}
            spool = {{ folder = "spool", first_wait = 0.2, longest_wait = 3.0, least_free = 0 }}
            scp = {{ port = {scp_port}, callers = ["ROOM1"] }}
            metrics = {{ port = {metrics_port} }}
            [destinations.archive]
            kind = "dimse"
            host = "127.0.0.1"
            port = {archive.dicom_port}
            ae_title = "{AE_TITLE}"
            [[rules]]
            name = "films"
            match = {{ modality = ["CR"] }}
            findings = ["Cardiomegaly"]
            frames = 3
            send_to = ["archive"]
            """
        )
        bridge = exits.enter_context(BridgeProcess(config, folder / "bridge.log"))
        yield archive, bridge, scp_port


def send_until_acknowledged(port: int, content: bytes) -> None:
    """As a modality does: again and again until it is told 0x0000."""
    dataset = dcmread(io.BytesIO(content))
    entity = AE("ROOM1")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = 10
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with silence():
            association = entity.associate("127.0.0.1", port, ae_title="CXRSHIFT")
            if association.is_established:
                status = association.send_c_store(dataset)
                if association.is_established:
                    association.release()
                if "Status" in status and status.Status == 0x0000:
                    return
        time.sleep(0.2)
    raise AssertionError("a radiograph was never acknowledged")


def results_by_study(archive: Orthanc) -> dict[str, Counter[str]]:
    """Study -> how often each kind of result stands in it."""
    found: dict[str, Counter[str]] = {}
    for instance in archive.http.get(
        "/instances", params={"expand": "", "requestedTags": "StudyInstanceUID;SOPClassUID"}
    ).json():
        tags = instance["RequestedTags"] if "RequestedTags" in instance else archive.tags(instance["ID"])
        kind = {
            "1.2.840.10008.5.1.4.1.1.7.2": "stack",
            "1.2.840.10008.5.1.4.1.1.7": "overlay",
            "1.2.840.10008.5.1.4.1.1.88.34": "report",
        }.get(tags["SOPClassUID"], "other")
        found.setdefault(tags["StudyInstanceUID"], Counter())[kind] += 1
    return found


def run_with(faults: Callable[[], None], scp_port: int) -> None:
    """Send every study by four senders while ``faults`` happen, until both are over.

    Faults happen in this thread: TorchServe ends with the thread that starts it.
    """
    numbers, lock = iter(range(1, STUDIES + 1)), threading.Lock()

    def send() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            send_until_acknowledged(scp_port, film(number))

    with ThreadPoolExecutor(4) as threads:
        senders = [threads.submit(send) for _ in range(4)]
        faults()
        for sender in senders:
            sender.result()


def assert_one_set_each(archive: Orthanc, spool: Path) -> None:
    wait_until(lambda: look_into(spool).counts[State.DONE] == STUDIES, PATIENCE)
    found = results_by_study(archive)
    assert set(found) == {f"1.2.{number}.1" for number in range(1, STUDIES + 1)}
    assert {study: kinds for study, kinds in found.items() if kinds != Counter(RESULTS)} == {}
    assert look_into(spool).counts[State.DEAD] == 0
    assert [path.name for name in ("sources", "results", "dead", "partial") for path in (spool / name).iterdir()] == []


def test_kills_of_bridge_and_torchserve_lose_and_double_nothing(phantom_folder: Path, tmp_path: Path) -> None:
    with ExitStack() as exits:
        service = Service(tmp_path, phantom_folder, exits)
        archive, bridge, scp_port = exits.enter_context(open_archive_and_bridge(tmp_path, service.target))
        moments = random.Random(5)

        def faults() -> None:
            for number in range(BRIDGE_KILLS):
                time.sleep(moments.uniform(0.3, 3.0))
                bridge.kill()
                bridge.start()
                if number % (BRIDGE_KILLS // SERVICE_KILLS) == 1:
                    service.kill()

        run_with(faults, scp_port)
        assert_one_set_each(archive, tmp_path / "spool")


def test_an_archive_that_is_away_for_a_while_costs_nothing(stack: Stack, tmp_path: Path) -> None:
    with open_archive_and_bridge(tmp_path, stack.grpc_target) as (archive, _, scp_port):

        def faults() -> None:
            time.sleep(1.0)
            archive.stop()
            time.sleep(60.0 if STUDIES >= 100 else 5.0)
            archive.start()

        run_with(faults, scp_port)
        assert_one_set_each(archive, tmp_path / "spool")
