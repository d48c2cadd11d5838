"""``cxrshift torchserve`` and its probe, as a container runs them: one process from the start to SIGTERM."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from cxrshift.models.compact import CLASSIFIER_FILE
from cxrshift.serving.processes import free_ports
from tests.cli.toy_model import make_model_folder

COMMAND = str(Path(sys.executable).with_name("cxrshift"))


@dataclass(frozen=True)
class Running:
    """A TorchServe in the foreground and where its probe asks."""

    process: subprocess.Popen[str]
    address: str
    folder: Path


def start(models: Path, folder: Path) -> Running:
    rest, grpc = free_ports(2)
    ports = ["--rest-port", str(rest), "--grpc-port", str(grpc), "--folder", str(folder)]
    command = [COMMAND, "torchserve", "--model", f"./{models.name}", "--threads", "1", *ports]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=models.parent)
    return Running(process, f"127.0.0.1:{rest}", folder)


def probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cxrshift.serving.probe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def work() -> Iterator[Path]:
    """A folder of a short path, for it holds sockets."""
    folder = Path("/tmp") / f"cxr-{time.monotonic_ns():x}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_it_is_torchserve_itself_and_ends_with_sigterm(work: Path) -> None:
    running = start(make_model_folder(work / "models"), work / "ts")
    try:
        assert probe(running.address, "toy", "--timeout", "0.5").returncode == 1  # it is not up yet
        deadline = time.monotonic() + 120
        while probe(running.address, "toy", "--timeout", "5").returncode and time.monotonic() < deadline:
            assert running.process.poll() is None
        assert probe(running.address, "toy").returncode == 0
        other = probe(running.address, "other")
        assert (other.returncode, other.stderr) == (1, f"other at {running.address} does not answer\n")
        front_end = psutil.Process(running.process.pid)
        assert front_end.name() == "java"
        family = [front_end, *front_end.children(recursive=True)]
    finally:
        running.process.send_signal(signal.SIGTERM)
        told, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 143, told
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert (len(gone) >= 2, alive) == (True, [])
    assert {entry.name.split("-")[0] for entry in (work / "ts").iterdir()} == {"store", "run"}


def test_a_corrupt_weight_file_is_refused_before_anything_serves(work: Path) -> None:
    folder = make_model_folder(work / "corrupt")
    weights = bytearray((folder / CLASSIFIER_FILE).read_bytes())
    weights[-1] ^= 1
    (folder / CLASSIFIER_FILE).write_bytes(weights)
    process = start(folder, work / "refused").process
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"{CLASSIFIER_FILE} is not the file that the manifest describes: its SHA-256 differs." in " ".join(
        told.split()
    )


def test_a_work_folder_too_deep_for_sockets_is_told_at_once(work: Path) -> None:
    process = start(make_model_folder(work / "deep"), work / ("x" * 90)).process
    told, _ = process.communicate(timeout=60)
    assert (process.returncode, "80 bytes at most" in told) == (2, True)


def test_the_probe_imports_nothing_that_takes_time_to_import() -> None:
    code = "import sys, cxrshift.serving.probe as p; print([m for m in ('numpy', 'torch', 'grpc') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments", [["127.0.0.1:8080"], ["8080", "toy"], ["http://127.0.0.1/", "toy"], ["nowhere", "toy"]]
)
def test_the_probe_says_what_it_wants(arguments: list[str]) -> None:
    assert probe(*arguments).returncode == 2


def test_the_probe_asks_a_page_too() -> None:
    (port,) = free_ports(1)
    done = probe(f"http://127.0.0.1:{port}/healthz")
    assert (done.returncode, done.stderr) == (1, f"http://127.0.0.1:{port}/healthz does not answer\n")
