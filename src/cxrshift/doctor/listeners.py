"""Which process listens on a port, as Linux tells it in /proc; elsewhere nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"
_INTERPRETERS = ("python", "java", "node", "ruby", "perl", "bash", "sh")


@dataclass(frozen=True)
class Listener:
    """A process that listens."""

    pid: int
    """Number of the process."""
    program: str
    """The program's name, and what an interpreter runs; none of its arguments, which may hold secrets."""

    def __str__(self) -> str:
        return f"{self.program} (process {self.pid})"


def find_listener(port: int, proc: Path = Path("/proc")) -> Listener | None:
    """Who listens on the TCP port; None where nobody does, or another user's process."""
    inodes = set(_listening_inodes(port, proc))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in sorted(proc.glob("[0-9]*")):
        with suppress(OSError):  # another user's, or gone since
            if not wanted.isdisjoint(_open_files(folder)):
                return Listener(int(folder.name), describe_command((folder / "cmdline").read_bytes()))
    return None


def describe_command(command_line: bytes) -> str:
    """``python -m cxrshift.gateway --x secret`` as ``python -m cxrshift.gateway``."""
    words = [word.decode("utf-8", "replace") for word in command_line.split(b"\0") if word]
    if not words:
        return "a process"
    program = Path(words[0]).name
    if not program.startswith(_INTERPRETERS):
        return program
    if "org.pytorch.serve.ModelServer" in words:
        return f"{program} org.pytorch.serve.ModelServer"
    if "-m" in words[1:-1]:
        return f"{program} -m {words[words.index('-m') + 1]}"
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return f"{program} {Path(script).name}" if script and "-c" not in words else program


def _open_files(folder: Path) -> Iterator[str]:
    """What a process has open. Raises OSError for another user's."""
    for link in (folder / "fd").iterdir():
        with suppress(OSError):  # closed since
            yield str(link.readlink())


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
