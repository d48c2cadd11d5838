"""The examples, each as a program of its own, against the running service."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import numpy as np
import pytest
from PIL import Image

from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift.serving.processes import free_ports
from cxrshift.serving.stack import Stack
from cxrshift_api.types import NOTICE
from tests.stack.stack_calls import phantom_file

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECONDS = 100.0
IMAGES = 8


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *map(str, arguments)]


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms, and among them a file that is none."""
    images = tmp_path_factory.mktemp("incoming")
    for seed in range(IMAGES):
        (images / f"{seed:02}.png").write_bytes(phantom_file(seed))
    (images / "05-torn.png").write_bytes((images / "05.png").read_bytes()[:1000])
    return images


def outcomes(out: Path) -> Counter[str]:
    with (out / "outcomes.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["file"] for row in table if row["outcome"] == "refused"] == ["05-torn.png"]
    assert [row["finding"] for row in table if row["outcome"] != "refused"] == ["Mass"] * IMAGES
    return Counter(row["outcome"] for row in table)


def test_one_call_over_rest_with_the_standard_library(stack: Stack, folder: Path, tmp_path: Path) -> None:
    done = run(
        *("rest_call.py", folder / "01.png", "--url", stack.rest_url),
        *("--finding", "Support Device", "--out", tmp_path / "overlay.png"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, *others = done.stdout.splitlines()
    assert first.startswith("Support Device: score 0.")
    assert others[-1] == NOTICE
    assert any(line.startswith("most changed at row ") for line in others)
    with Image.open(tmp_path / "overlay.png") as overlay:
        assert overlay.format == "PNG"


def test_one_call_over_grpc_from_the_proto_alone(stack: Stack, folder: Path, tmp_path: Path) -> None:
    done = run(
        *("grpc_call.py", folder / "01.png", "--target", stack.grpc_target),
        *("--finding", "Mass", "--out", tmp_path / "mass.npz"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("accepted: 0%\n")
    assert "heatmap of Mass\nMass: score 0." in done.stdout
    assert done.stdout.endswith(f"{NOTICE}\n")
    reply = httpx.post(
        f"{stack.rest_url}/v1/explain?finding=Mass",
        content=(folder / "01.png").read_bytes(),
        headers={"accept": "application/x-npz"},
        timeout=SECONDS,
    )
    (tmp_path / "rest.npz").write_bytes(reply.content)
    with np.load(tmp_path / "mass.npz") as ours, np.load(tmp_path / "rest.npz") as service:
        for name in ("heatmap", "frames"):
            assert np.array_equal(ours[name], service[f"0/{name}"])


@pytest.mark.parametrize("example", ["rest_call.py", "grpc_call.py"])
def test_what_is_refused_is_told_in_the_services_words(stack: Stack, folder: Path, example: str) -> None:
    address = ("--url", stack.rest_url) if example == "rest_call.py" else ("--target", stack.grpc_target)
    done = run(example, folder / "05-torn.png", *address)
    assert done.returncode == 1
    assert done.stderr.startswith("INVALID_IMAGE: ")


@contextmanager
def gateway_before(stack: Stack, *, port: int = 0, **settings: str) -> Iterator[GatewayProcess]:
    """A gateway of the test's own before the TorchServe that all share."""
    named = tuple((f"CXRSHIFT_{name.upper()}", value) for name, value in settings.items())
    config = GatewayConfig(stack.torchserve.grpc_target, models=("phantom",), grpc_port=port, environment=named)
    with GatewayProcess(config) as gateway:
        yield gateway


def metric(gateway: GatewayProcess, start: str) -> float:
    """The sum of the samples whose line begins with ``start``."""
    text = httpx.get(gateway.metrics_url, timeout=10).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start))


def explain_all(folder: Path, out: Path, target: str, *arguments: object) -> list[str]:
    named = (folder, "--url", f"grpc://{target}", "--out", out, "--finding", "Mass", "--deadline", SECONDS)
    return command("hospital_platform.py", *named, *arguments)


@pytest.mark.timeout(120)
def test_overload_a_torn_file_and_a_killed_service_cost_no_other_file_its_answer(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    started = explain_all(folder, tmp_path, f"127.0.0.1:{port}", "--in-flight", 3)
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as platform:  # ahead of the service itself
        assert platform.stderr is not None
        with gateway_before(stack, port=port, max_in_flight="1", queue="0") as gateway:
            wait_for_files(platform.stderr, 3)
            assert metric(gateway, 'cxrshift_problems_total{code="OVERLOADED"}') > 0
            os.killpg(gateway.pid, signal.SIGKILL)
        with gateway_before(stack, port=port) as gateway:
            wait_for_files(platform.stderr, IMAGES + 1)
            assert platform.wait(SECONDS) == 1
            assert metric(gateway, "cxrshift_request_seconds_count{") > 3
    assert outcomes(tmp_path) == {"explained": IMAGES, "refused": 1}


def wait_for_files(lines: IO[str], count: int) -> None:
    """Read progress until so many files are done."""
    for line in lines:
        if int(line.partition("/")[0]) >= count:
            return
    raise AssertionError("it ended early")
