"""Children are started in a session of their own, stopped as a group, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cxrshift.serving.processes import ChildProcess, LaunchError, child_pids, free_ports, tail

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN_WITH_CHILD = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(60)\n"
)


def start(code: str, log: Path) -> ChildProcess:
    return ChildProcess("helper", [sys.executable, "-c", code], environment=os.environ, log=log)


def wait_for_line(log: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if log.exists() and "\n" in log.read_text():
            return log.read_text().splitlines()[0]
        time.sleep(0.02)
    raise AssertionError("the child printed nothing")


def gone(pid: int, *, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(8))) == 8


def test_tail_gives_the_last_lines_and_nothing_of_a_missing_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_text("a\nb\nc\n")
    assert tail(log, 2) == "b\nc"


def test_a_polite_child_ends_on_stop(tmp_path: Path) -> None:
    child = start(SLEEPER, tmp_path / "log")
    wait_for_line(tmp_path / "log")
    child.check_running()
    assert child.stop(grace=10) == -signal.SIGTERM
    assert child.stop(grace=10) == -signal.SIGTERM  # again: nothing happens


def test_a_stubborn_child_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = start(STUBBORN_WITH_CHILD, tmp_path / "log")
    grandchild = int(wait_for_line(tmp_path / "log"))
    assert child_pids(child.pid) == (grandchild,)
    assert child.stop(grace=0.2) == -signal.SIGKILL
    assert gone(grandchild)
    assert child_pids(child.pid) == ()


def test_a_child_that_ended_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = start("print('no such model'); raise SystemExit(3)", tmp_path / "log")
    deadline = time.monotonic() + 20
    while child.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(LaunchError, match=r"helper ended with code 3; its last words:\nno such model"):
        child.check_running()
    child.stop(grace=1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child to its parent's life")
def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent_code = (
        "import os, sys, time; from pathlib import Path\n"
        "from cxrshift.serving.processes import ChildProcess\n"
        f"command = [sys.executable, '-c', {SLEEPER!r}]\n"
        f"child = ChildProcess('c', command, environment=os.environ, log=Path({str(log)!r}))\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        assert wait_for_line(log) == "up"
        parent.kill()
    assert gone(pid)
