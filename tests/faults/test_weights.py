"""A weight file that is not what the manifest says: nothing is served, and somebody is told why."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cxrshift.serving.processes import LaunchError
from cxrshift.serving.torchserve import TorchServeProcess
from tests.faults.pod import Pod
from tests.faults.report import Report

WEIGHTS = "classifier.safetensors"


def corrupt(path: Path) -> None:
    """One bit of its middle, as a disk or a copy does it: a file that still reads."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_model_whose_weights_were_altered_is_not_served(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "phantom"
    shutil.copytree(model_folder, folder)
    corrupt(folder / WEIGHTS)
    command = [str(Path(sys.executable).with_name("cxrshift")), "serve", "--model", str(folder), "--rest-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done
    assert "ready" not in done.stdout
    assert f"{WEIGHTS} is not the file that the manifest describes: its SHA-256 differs." in done.stdout + done.stderr


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_worker_whose_store_was_altered_does_not_serve_it(store: Path, tmp_path: Path, report: Report) -> None:
    altered = tmp_path / "store"
    shutil.copytree(store, altered)
    corrupt(altered / "phantom" / WEIGHTS)
    torchserve = TorchServeProcess(Pod(altered).config)
    try:
        with pytest.raises(LaunchError, match="SHA-256 differs"):
            torchserve.wait_ready()
    finally:
        torchserve.stop()
    report.add("weight file altered", note="not served: exit code 2, or a worker that says so and never becomes ready")
