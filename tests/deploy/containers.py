"""Containers as these tests run them: nothing may be written but /tmp, no capability, no root, the host's loopback."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(ROOT / "tools/image.sh")
LOCKED_DOWN = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--tmpfs=/tmp:rw,mode=1777,size=1g")
STARTS_WITHIN = 180.0


def run_engine(*arguments: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Ask docker or podman."""
    return subprocess.run([TOOL, "engine", *arguments], capture_output=True, text=True, timeout=seconds, check=False)


class Container:
    """A container in the foreground: ``with Container(image, command) as c`` has it removed at the end."""

    def __init__(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        environment: Sequence[str] = (),
        options: Sequence[str] = (),
        log: Path,
    ) -> None:
        self.name = f"cxrshift-test-{uuid.uuid4().hex[:8]}"
        self.log = log
        settings = [f"--env={one}" for one in environment]
        start = ["run", "--rm", "--no-healthcheck", "--network=host", f"--name={self.name}", *LOCKED_DOWN, *settings]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [TOOL, "engine", *start, *options, image, *command], stdout=output, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        run_engine("kill", "--signal=KILL", self.name)  # podman's rm would let it drain first
        run_engine("rm", "--force", self.name)
        self._process.wait(30)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the image's own user."""
        return run_engine("exec", self.name, *command)

    def wait_until(self, *command: str) -> None:
        """Return once the command succeeds inside."""
        deadline = time.monotonic() + STARTS_WITHIN
        while self.execute(*command).returncode:
            assert self._process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.5)

    def ask_to_stop(self) -> None:
        """SIGTERM to the container's first process, as ``docker stop`` and a kubelet send it."""
        done = run_engine("kill", "--signal=TERM", self.name)
        assert done.returncode == 0, done.stderr

    def wait(self, seconds: float) -> int:
        """The first process's exit code, once it has ended."""
        return self._process.wait(seconds)
