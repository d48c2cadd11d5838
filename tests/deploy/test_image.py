"""The image as it is run: read-only, as a user without a capability, in front of and behind its own kind.

``make test-image`` builds it first; the ordinary tests have no image and skip.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cxrshift.models.folders import find_model
from cxrshift.serving.processes import free_ports
from cxrshift_client import Client
from tests.deploy.containers import Container, run_engine
from tests.deploy.image_parts import FINDING, GATEWAY, MODEL, NEEDS_IMAGE, WHOLE, Front, make_image

pytestmark = NEEDS_IMAGE

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
