"""The image as it is run: read-only, as a user without a capability, in front of and behind its own kind.

``make test-image`` builds it first; the ordinary tests have no image and skip.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from cxrshift.demo import to_png
from cxrshift.models.folders import find_model
from cxrshift.phantom import generate
from cxrshift.serving.probe import page_answers
from cxrshift.serving.processes import free_ports
from cxrshift_client import Client
from cxrshift_client.errors import ExplainerError
from cxrshift_client.settings import Retry
from tests.deploy.containers import Container, run_engine

pytestmark = [
    pytest.mark.skipif("CXRSHIFT_TEST_IMAGE" not in os.environ, reason="needs an image: make test-image"),
    pytest.mark.timeout(900),
]

GATEWAY, WHOLE = "cxrshift:gateway", "cxrshift:cpu"
MODEL, FINDING = "phantom", "Cardiomegaly"
LOAD_SECONDS, CALLERS, NOTICED_WITHIN = 12.0, 4, 4
IN_MEMORY = {"/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run"}
"""What the engine mounts as memory; the last two are podman's own idea of a read-only container."""
FIND_WRITABLE = """
import os, tempfile
for folder, _, _ in os.walk("/"):
    if not folder.startswith(("/proc/", "/sys/")):
        try:
            tempfile.TemporaryFile(dir=folder).close()
            print(folder)
        except OSError:
            pass
"""

logger = logging.getLogger("tests.deploy")


@dataclass(frozen=True)
class Front:
    """A gateway's container and its addresses."""

    container: Container
    rest: str
    grpc: str
    operator: str


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def torchserve(logs: Path) -> Iterator[tuple[Container, str]]:
    """TorchServe alone, and where gateways reach it."""
    rest, grpc = free_ports(2)
    command = ["cxrshift", "torchserve", "--model", MODEL, "--threads", "1", "--folder", "/tmp/ts"]
    ports = ["--rest-port", str(rest), "--grpc-port", str(grpc)]
    with Container(WHOLE, [*command, *ports], log=logs / "torchserve") as container:
        container.wait_until("python", "-m", "cxrshift.serving.probe", f"127.0.0.1:{rest}", MODEL)
        yield container, f"127.0.0.1:{grpc}"


@pytest.fixture
def fronts(torchserve: tuple[Container, str], logs: Path) -> Iterator[tuple[Front, Front]]:
    """Two gateways before the same TorchServe."""
    with start_gateway(torchserve[1], logs / "a") as first, start_gateway(torchserve[1], logs / "b") as second:
        for front in (first, second):
            front.container.wait_until("python", "-m", "cxrshift.serving.probe", f"{front.rest}/readyz")
        yield first, second


@contextmanager
def start_gateway(upstream: str, log: Path) -> Iterator[Front]:
    """A container with the image's own command, and nothing but settings."""
    rest, grpc, metrics = free_ports(3)
    settings = {
        "HOST": "127.0.0.1",
        "REST_PORT": str(rest),
        "GRPC_PORT": str(grpc),
        "METRICS_PORT": str(metrics),
        "UPSTREAM": upstream,
        "MODELS": json.dumps([MODEL]),
        "DRAIN_DELAY": str(NOTICED_WITHIN),
    }
    environment = [f"CXRSHIFT_{name}={value}" for name, value in settings.items()]
    with Container(GATEWAY, environment=environment, log=log) as container:
        yield Front(container, f"http://127.0.0.1:{rest}", f"grpc://127.0.0.1:{grpc}", f"http://127.0.0.1:{metrics}")


def make_image() -> bytes:
    return to_png(generate(18, findings=(FINDING,)))


def test_it_explains_a_radiograph_the_same_over_rest_and_grpc(fronts: tuple[Front, Front]) -> None:
    found = []
    for address in (fronts[0].rest, fronts[0].grpc, fronts[1].rest):
        with Client(address) as client:
            (explanation,) = client.explain(make_image(), findings=(FINDING,)).explanations
            found.append((explanation.score, explanation.frames.tobytes(), explanation.heatmap.tobytes()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("part", ["gateway", "torchserve"])
def test_nothing_inside_has_a_privilege_or_a_place_to_write(
    fronts: tuple[Front, Front], torchserve: tuple[Container, str], part: str
) -> None:
    container = fronts[0].container if part == "gateway" else torchserve[0]
    assert container.execute("id", "-u").stdout.strip() == "65532"
    status = container.execute("cat", "/proc/1/status").stdout.splitlines()
    held = {line.split()[0]: line.split()[1] for line in status if line.startswith(("Cap", "NoNewPrivs"))}
    assert {key: int(value, 16) for key, value in held.items()} == {
        **dict.fromkeys(("CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"), 0),
        "NoNewPrivs:": 1,
    }
    writable = container.execute("python", "-c", FIND_WRITABLE).stdout.split()
    assert {place for place in writable if not place.startswith("/tmp/")} <= IN_MEMORY
    assert container.execute("cat", "/proc/1/comm").stdout.strip() == "tini"


@pytest.mark.parametrize("image", [GATEWAY, WHOLE])
def test_no_tool_that_installs_or_builds_is_left(image: str) -> None:
    tools = "pip pip3 uv gcc cc g++ make ld git curl wget"
    look = (
        f"for t in {tools}; do command -v $t; done; ls /var/lib/apt/lists; find / -xdev -type f -perm /6000 2>/dev/null"
    )
    done = run_engine("run", "--rm", "--no-healthcheck", "--entrypoint=sh", image, "-c", look)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_video_is_refused_with_what_is_offered_instead(fronts: tuple[Front, Front]) -> None:
    """The image leaves out PyAV, whose wheels hold GPL codecs."""
    address = f"{fronts[0].rest}/v1/explain?finding={FINDING}"
    asked = urllib.request.Request(address, make_image(), {"Accept": "video/mp4"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=60)
    assert refused.value.code == 406
    told = json.loads(refused.value.read())
    assert "image/webp" in json.dumps(told)
    assert "video/mp4" not in told["detail"].partition("offer")[2]


def test_what_docker_calls_healthy_is_what_answers(fronts: tuple[Front, Front]) -> None:
    (told,) = json.loads(run_engine("image", "inspect", GATEWAY).stdout)
    health = told["Healthcheck"] if "Healthcheck" in told else told["Config"]["Healthcheck"]  # podman's, docker's place
    (kind, command) = health["Test"]
    assert kind == "CMD-SHELL"
    done = fronts[0].container.execute("sh", "-c", command)
    assert done.returncode == 0, done.stderr


class Balancer:
    """Sends calls to the first gateway that was ready when it last looked, twice a second, as Kubernetes does."""

    def __init__(self, fronts: tuple[Front, Front]) -> None:
        self._fronts = fronts
        self._stop = Event()
        self.chosen = 0

    def watch(self) -> None:
        while not self._stop.wait(0.5):
            ready = [not page_answers(f"{front.operator}/readyz", seconds=3.0) for front in self._fronts]
            self.chosen = ready.index(True) if any(ready) else 0

    def call(self, addresses: tuple[str, str]) -> Counter[str]:
        """Explain in a loop, each call once and never again. What came of the calls."""
        image, once, told = make_image(), Retry(attempts=1), Counter[str]()
        with Client(addresses[0], retry=once) as first, Client(addresses[1], retry=once) as second:
            while not self._stop.is_set():
                try:
                    (first, second)[self.chosen].explain(image, findings=(FINDING,), frames=5)
                    told["explained"] += 1
                except ExplainerError as error:
                    told[str(error)] += 1
        return told

    def stop(self) -> None:
        self._stop.set()


def test_a_gateway_told_to_stop_under_load_costs_no_caller_an_answer(fronts: tuple[Front, Front]) -> None:
    first, second = fronts
    balancer = Balancer(fronts)
    ways = [(first.rest, second.rest), (first.grpc, second.grpc)] * (CALLERS // 2)
    with ThreadPoolExecutor(CALLERS + 1) as threads:
        threads.submit(balancer.watch)
        calls = [threads.submit(balancer.call, way) for way in ways]
        try:
            time.sleep(LOAD_SECONDS / 3)
            first.container.ask_to_stop()
            asked = time.monotonic()
            code = first.container.wait(60)
            ended = time.monotonic() - asked
            time.sleep(LOAD_SECONDS / 3)
        finally:
            balancer.stop()
        told = sum((call.result() for call in calls), Counter[str]())
    logger.info("%s; it ended %.1f s after SIGTERM", dict(told), ended)
    assert code == 0, first.container.log.read_text()[-2000:]
    assert ended >= NOTICED_WITHIN
    assert balancer.chosen == 1
    assert set(told) == {"explained"}
    assert told["explained"] >= CALLERS * 3


def test_a_corrupt_weight_file_keeps_the_container_from_serving(tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt"
    shutil.copytree(find_model(MODEL), corrupt)
    tmp_path.chmod(0o755)
    weights = corrupt / "classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    command = ["cxrshift", "torchserve", "--model", "/models/corrupt", "--folder", "/tmp/ts"]
    mount = f"--volume={corrupt}:/models/corrupt:ro"
    with Container(WHOLE, command, options=[mount], log=tmp_path / "log") as container:
        assert container.wait(60) == 2
    assert "classifier.safetensors is not the file that the manifest describes" in (tmp_path / "log").read_text()


def test_the_whole_service_runs_in_one_container_and_stops_when_told(tmp_path: Path) -> None:
    rest, grpc, metrics = free_ports(3)
    ports = ["--rest-port", str(rest), "--grpc-port", str(grpc), "--metrics-port", str(metrics)]
    command = ["cxrshift", "serve", "--model", MODEL, "--threads", "1", *ports]
    with Container(WHOLE, command, options=["--user=12345:0"], log=tmp_path / "log") as container:
        container.wait_until("python", "-m", "cxrshift.serving.probe", f"http://127.0.0.1:{rest}/readyz")
        with Client(f"grpc://127.0.0.1:{grpc}") as client:
            assert client.explain(make_image(), findings=(FINDING,)).explanations
        container.ask_to_stop()
        assert container.wait(60) == 0
    assert "stopped" in (tmp_path / "log").read_text()
