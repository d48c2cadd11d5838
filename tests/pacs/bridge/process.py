"""``cxrshift pacs serve`` as a process of its own, which can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

CXRSHIFT = Path(sys.executable).with_name("cxrshift")


class BridgeProcess:
    """``with BridgeProcess(config, log) as bridge`` has a bridge that is ready."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and return once it is ready."""
        self._process = subprocess.Popen(
            [CXRSHIFT, "pacs", "serve", self._config],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._ready.wait(60.0), self._log.read_text()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self._process.wait(60.0)
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self._process.stdout
        with self._log.open("ab") as log, self._process.stdout as lines:
            for line in lines:
                log.write(line)
                log.flush()
                if line.startswith(b"ready: "):
                    self._ready.set()
