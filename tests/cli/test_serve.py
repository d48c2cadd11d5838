"""``cxrshift serve`` for real: TorchServe, gateway and a toy model, asked by the command and stopped by a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.cli.toy_model import make_model_folder

COMMAND = str(Path(sys.executable).with_name("cxrshift"))


def test_serve_answers_the_command_until_it_is_told_to_stop(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "models")
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 40), dtype=np.uint8)).save(tmp_path / "chest.png")
    ports = ["--rest-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    served = [COMMAND, "serve", "--model", str(folder), "--threads", "1", *ports, "--json"]
    with subprocess.Popen(served, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())  # tests/stack reads the line for people
            assert list(ready) == ["event", "rest", "grpc", "metrics"]
            told = [ask(address, tmp_path) for address in (ready["rest"], f"grpc://{ready['grpc']}")]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        assert json.loads(server.stdout.read()) == {"event": "stopped"}
    assert server.returncode == 0
    assert told[0] == told[1]


def ask(address: str, folder: Path) -> tuple[str, bytes]:
    """What the command prints of one explanation, and the animation that it writes."""
    command = [COMMAND, "explain", "chest.png", "-f", "Mass", "--frames", "3", "--server", address]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("chest.png  Mass 0.")
    return done.stdout, (folder / "out/chest/Mass/frames.gif").read_bytes()
