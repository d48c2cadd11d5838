"""The whole service on one machine: TorchServe with its models, and the gateway in front of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cxrshift.models.manifest import read_manifest
from cxrshift.serving.processes import ChildProcess, LaunchError, tail
from cxrshift.serving.store import StoreSettings, build_store
from cxrshift.serving.torchserve import TorchServeConfig, TorchServeProcess

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class StackConfig:
    """What to serve and where. Ports of 0 are chosen free; times are seconds."""

    models: tuple[Path, ...]
    """Model folders; the first is the default model."""
    host: str = "127.0.0.1"
    rest_port: int = 0
    grpc_port: int = 0
    metrics_port: int = 0
    store: StoreSettings = field(default_factory=StoreSettings)
    store_folder: Path | None = None
    """Where the store is built, and kept for the next start; None = a temporary folder."""
    heap_mebibytes: int = 1024
    job_queue_size: int = 100
    startup_timeout: float = 180.0
    drain_grace: float = 30.0
    """How long the gateway may take to finish what it has begun."""
    gateway_environment: tuple[tuple[str, str], ...] = ()
    """Further CXRSHIFT_ settings of the gateway."""


@dataclass(frozen=True)
class GatewayPorts:
    """Where the gateway listens."""

    rest: int
    grpc: int
    metrics: int


class Stack:
    """TorchServe and gateway, running: ``with Stack(config) as stack`` returns once ``/readyz`` says ready.

    Raises LaunchError, MissingJava or a ModelError where it does not come up.
    """

    def __init__(self, config: StackConfig) -> None:
        self.config = config
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def rest_url(self) -> str:
        """Base address of the REST service."""
        return f"http://{_reachable(self.config.host)}:{self.ports.rest}"

    @property
    def grpc_target(self) -> str:
        """``host:port`` of the gRPC service."""
        return f"{_reachable(self.config.host)}:{self.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds the gateway's metrics."""
        return f"http://{_reachable(self.config.host)}:{self.ports.metrics}/metrics"

    def worker_pids(self) -> tuple[int, ...]:
        """TorchServe's Python workers alive now, ascending."""
        return self.torchserve.worker_pids()

    def check_running(self) -> None:
        """Raise LaunchError if the gateway or TorchServe has ended on its own."""
        self.torchserve.check_running()
        self.gateway.check_running()

    def stop(self) -> None:
        """Stop the gateway, which drains first, then TorchServe. Safe to call twice."""
        self._exit.close()

    def _start(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="cxrshift-stack-"))
        self._exit.callback(shutil.rmtree, folder, ignore_errors=True)
        config = self.config
        names = tuple(read_manifest(model).name for model in config.models)
        store = build_store(config.models, config.store_folder or folder / "store", settings=config.store)
        settings = TorchServeConfig(
            store=store,
            models=names,
            heap_mebibytes=config.heap_mebibytes,
            job_queue_size=config.job_queue_size,
            startup_timeout=config.startup_timeout,
            use_gpu=config.store.use_gpu,
        )
        self.torchserve = self._exit.enter_context(TorchServeProcess(settings))
        ports_file = folder / "ports.json"
        self.gateway = ChildProcess(
            "the gateway",
            [sys.executable, "-m", "cxrshift.gateway"],
            environment={**os.environ, **self._gateway_settings(names, ports_file)},
            log=folder / "gateway.log",
        )
        self._exit.callback(self.gateway.stop, grace=config.drain_grace)
        self.ports = self._wait_ready(ports_file)

    def _gateway_settings(self, names: tuple[str, ...], ports_file: Path) -> dict[str, str]:
        config = self.config
        return {
            "CXRSHIFT_HOST": config.host,
            "CXRSHIFT_REST_PORT": str(config.rest_port),
            "CXRSHIFT_GRPC_PORT": str(config.grpc_port),
            "CXRSHIFT_METRICS_PORT": str(config.metrics_port),
            "CXRSHIFT_PORTS_FILE": str(ports_file),
            "CXRSHIFT_UPSTREAM": self.torchserve.grpc_target,
            "CXRSHIFT_MODELS": json.dumps(names),
            **dict(config.gateway_environment),
        }

    def _wait_ready(self, ports_file: Path) -> GatewayPorts:
        """The gateway's ports, once it says on them that it is ready. Raises LaunchError."""
        deadline = time.monotonic() + self.config.startup_timeout
        ports: GatewayPorts | None = None
        while time.monotonic() < deadline:
            self.check_running()
            ports = ports or _read_ports(ports_file)
            if ports and _says_ready(f"http://{_reachable(self.config.host)}:{ports.rest}/readyz"):
                return ports
            time.sleep(_POLL_SECONDS)
        raise LaunchError(f"The gateway did not become ready; its last words:\n{tail(self.gateway.log)}")


def _read_ports(path: Path) -> GatewayPorts | None:
    """None until the gateway has written all of it."""
    try:
        written = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return GatewayPorts(rest=written["rest"], grpc=written["grpc"], metrics=written["metrics"])


def _says_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5.0) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _reachable(host: str) -> str:
    """An address to call a server at that listens on ``host``: a wildcard is no address."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
