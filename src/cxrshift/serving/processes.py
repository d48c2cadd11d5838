"""Child processes that leave nothing behind: own session, own log file, stopped as a group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from cxrshift.errors import CxrshiftError

LOG_TAIL_LINES = 25
"""Number of a log's last lines that a message repeats."""


class LaunchError(CxrshiftError):
    """A process of the service did not start, or ended on its own. Its text is for an operator, not for a caller."""


def free_ports(count: int, *, host: str = "127.0.0.1") -> tuple[int, ...]:
    """``count`` different TCP ports that nobody listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((host, 0))
        return tuple(int(one.getsockname()[1]) for one in sockets)


def tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a text file; empty where there is none."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:])


class ChildProcess:
    """A running command in a session of its own, in ``directory`` where one is named.

    Start it from a thread that outlives it (see leash.py).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        leash = [sys.executable, "-m", "cxrshift.serving.leash", str(os.getpid())]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*leash, *command],
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is its group's and session's id too."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def check_running(self) -> None:
        """Raise LaunchError with the last log lines if it has ended."""
        code = self.exit_code()
        if code is not None:
            raise LaunchError(f"{self.name} ended with code {code}; its last words:\n{tail(self.log)}")

    def stop(self, *, grace: float) -> int:
        """Ask it to end, wait ``grace`` seconds, then kill its whole group. Its exit code; safe to call twice."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(grace)
        self._kill_group()
        return self._popen.wait()

    def _kill_group(self) -> None:
        # The leader may be gone and its children not; the group's id stays theirs as long as one lives.
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return
            self._popen.poll()
            time.sleep(0.02)


def child_pids(parent: int) -> tuple[int, ...]:
    """Ids of the live processes that ``parent`` started, ascending; zombies left out."""
    import psutil

    try:
        children = psutil.Process(parent).children()
        return tuple(sorted(c.pid for c in children if c.status() != psutil.STATUS_ZOMBIE))
    except psutil.Error:
        return ()
