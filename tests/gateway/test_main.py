"""The command's own code, run in this process: what it returns and what it says."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from cxrshift.gateway.__main__ import main

pytestmark = pytest.mark.usefixtures("own_logging")


@pytest.fixture(autouse=True)
def ports_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("REST_PORT", "GRPC_PORT", "METRICS_PORT"):
        monkeypatch.setenv(f"CXRSHIFT_{name}", "0")
    monkeypatch.setenv("CXRSHIFT_PORTS_FILE", str(tmp_path / "ports.json"))
    return tmp_path / "ports.json"


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_wrong_setting_ends_it_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXRSHIFT_MAX_IN_FLIGHT", "0")
    monkeypatch.setenv("CXRSHIFT_REST_PORT", "70000")
    assert main() == 2
    (line,) = said(capsys)
    assert (line["event"], line["settings"]) == ("settings are wrong", "CXRSHIFT_MAX_IN_FLIGHT, CXRSHIFT_REST_PORT")


@pytest.mark.parametrize("name", ["REST_PORT", "GRPC_PORT", "METRICS_PORT"])
def test_a_taken_port_ends_it_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ports_file: Path, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv(f"CXRSHIFT_{name}", str(taken.getsockname()[1]))
        assert main() == 1
    (line,) = said(capsys)
    assert line["event"] == "could not serve"
    assert not ports_file.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(capsys: pytest.CaptureFixture[str], ports_file: Path, number: int) -> None:
    def send_once_it_listens() -> None:
        until = time.monotonic() + 30
        while not ports_file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send_once_it_listens)
    sender.start()
    assert main() == 0
    sender.join()
    assert [line["event"] for line in said(capsys)] == ["listening", "draining", "stopped"]
    assert not ports_file.exists()
