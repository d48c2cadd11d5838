"""``cxrshift doctor`` as people and programs see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.cli.doctor import draw_report
from cxrshift.doctor import Check, Report, State
from tests.cli.toy_model import make_model_folder

CHECKS = (
    Check(
        "Serving", "Java", State.OK, "Java 21 at /a/rather/long/path/that/does/not/fit/on/one/line/of/a/terminal/java"
    ),
    Check("Ports", "8000 REST", State.FAIL, "taken by nginx (process 12)", "End it, or take another: --rest-port N"),
    Check("Ports", "8001 gRPC", State.WARN, "odd", "Look."),
    Check("Disk", "spool", State.SKIP, "not asked for", "Name it with --bridge."),
)


def drawn(width: int, *, colour: bool = False) -> str:
    console = Console(width=width, record=True, force_terminal=colour, no_color=not colour, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(draw_report(Report(CHECKS)))
    console.file.close()
    return console.export_text(styles=colour)


def test_the_table_fits_the_terminal_and_says_each_state_in_words() -> None:
    for width in (60, 80, 120):
        lines = drawn(width).splitlines()
        assert max(map(len, lines)) <= width
    text = drawn(80)
    assert "FAIL  8000 REST  taken by nginx (process 12)" in text
    assert "→ End it, or take another: --rest-port N" in text
    assert text.rstrip().endswith("1 ok, 1 to look at, 1 failed, 1 skipped. What cannot work: Ports, 8000 REST.")
    assert "\x1b[" not in text
    assert "\x1b[" in drawn(80, colour=True)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REST", "GRPC", "METRICS"):
        monkeypatch.setenv(f"CXRSHIFT_{name}_PORT", "0")  # of whoever uses the usual ones here nothing is known
    for name, folder in (("MODEL_STORE", "store"), ("DATA_HOME", "data"), ("EXPORT_CACHE", "cache")):
        monkeypatch.setenv(f"CXRSHIFT_{name}", str(tmp_path / folder))
    return make_model_folder(tmp_path / "store").parent


def test_the_command_fails_where_something_cannot_work_and_tells_it_as_json(store: Path) -> None:
    (store / "toy/autoencoder.safetensors").write_bytes(b"")
    done = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["healthy"]) == (1, False)
    assert told["counts"]["fail"] == 1
    [failed] = [check for check in told["checks"] if check["state"] == "fail"]
    assert (failed["topic"], failed["name"]) == ("Models", "toy")
    assert "autoencoder.safetensors" in failed["found"]


def test_the_command_succeeds_where_nothing_fails_without_importing_torch(store: Path) -> None:
    program = (
        "import sys\nsys.argv = ['cxrshift', 'doctor']\nfrom cxrshift.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write(str('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "False"), done.stdout
    assert "  ok    toy: version 0.1" in done.stdout  # plain lines: nobody looks on
