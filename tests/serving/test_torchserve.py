"""TorchServe itself, with a model that needs no weights: it comes up, survives its worker's death, leaves nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from cxrshift.serving.processes import LaunchError
from cxrshift.serving.torchserve import TorchServeConfig, TorchServeProcess, find_java

ECHO = "def handle(data, context):\n    return None if data is None else [bytes(row['work']) for row in data]\n"
SILENCE = 20
"""Seconds after which a worker that says nothing is given up."""
BROKEN = "def handle(data, context):\n    raise LookupError('the weights are not there')\n"


def make_store(folder: Path, handler: str) -> Path:
    model = folder / "toy"
    (model / "MAR-INF").mkdir(parents=True)
    manifest = {"modelName": "toy", "handler": "toy_handler:handle", "modelVersion": "1.0"}
    manifest["configFile"] = "model-config.yaml"
    archive = {"runtime": "python", "model": manifest, "archiverVersion": "0.12.0", "createdOn": ""}
    (model / "MAR-INF/MANIFEST.json").write_text(json.dumps(archive))
    (model / "model-config.yaml").write_text(
        # One at a time: TorchServe loses a request that waits for company while its worker dies (docs/limits.md).
        "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 1\nmaxRetryTimeoutInSec: 60\ndeviceType: cpu\n"
        f"responseTimeout: {SILENCE}\n"
    )
    (model / "toy_handler.py").write_text(handler)
    return folder


def ask(torchserve: TorchServeProcess, body: bytes) -> tuple[int, bytes]:
    part = b'--b\r\nContent-Disposition: form-data; name="work"; filename="work"\r\n'
    part += b"Content-Type: application/octet-stream\r\n\r\n" + body + b"\r\n--b--\r\n"
    with closing(http.client.HTTPConnection("127.0.0.1", torchserve.ports.inference, timeout=60)) as connection:
        connection.request("POST", "/predictions/toy", part, {"Content-Type": "multipart/form-data; boundary=b"})
        response = connection.getresponse()
        return response.status, response.read()


def test_java_comes_with_the_install() -> None:
    assert os.access(find_java(), os.X_OK)


def test_it_answers_outlives_its_worker_and_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TorchServeConfig(store=make_store(tmp_path, ECHO), models=("toy",))
    (tmp_path / "here/toy").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")  # a folder named as the model, of which the store alone counts
    with TorchServeProcess(config) as torchserve:
        assert ask(torchserve, b"\x00\xff bytes") == (200, b"\x00\xff bytes")
        (worker,) = torchserve.worker_pids()
        os.kill(worker, signal.SIGKILL)
        # Queued for the next worker, or handed to the dead one: two errors tell that, seldom only after SILENCE.
        assert ask(torchserve, b"later")[0] in (200, 500, 507)
        assert ask(torchserve, b"again") == (200, b"again")
        (successor,) = torchserve.worker_pids()
        assert successor != worker
        java = torchserve.pid
    assert not any(psutil.pid_exists(pid) for pid in (java, worker, successor))
    torchserve.stop()  # again: nothing happens


def test_a_model_that_does_not_load_is_told_at_once_with_the_reason(tmp_path: Path) -> None:
    config = TorchServeConfig(store=make_store(tmp_path, BROKEN), models=("toy",))
    started = time.monotonic()
    with pytest.raises(LaunchError, match="the weights are not there"), TorchServeProcess(config):
        pass
    assert time.monotonic() - started < 60
