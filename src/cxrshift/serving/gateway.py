"""Start the gateway as a process of its own, wait until it says it is ready, let it drain when it stops."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cxrshift.serving.processes import ChildProcess, LaunchError, tail

_POLL_SECONDS = 0.05
_STOP_SECONDS = 5.0
"""What a gateway may need beside its drain to end by itself."""


@dataclass(frozen=True)
class GatewayConfig:
    """How to run one gateway in front of one TorchServe. Ports of 0 are chosen free; times are seconds."""

    upstream: str
    """``host:port`` of TorchServe's gRPC inference service."""
    models: tuple[str, ...]
    """Names of the models that TorchServe serves; the first is the default."""
    host: str = "127.0.0.1"
    rest_port: int = 0
    """Port of REST."""
    grpc_port: int = 0
    """Port of gRPC."""
    metrics_port: int = 0
    """Port of the metrics."""
    startup_timeout: float = 60.0
    """Seconds that it may take to be ready."""
    drain_grace: float = 30.0
    """Seconds that it may take to finish what it has begun."""
    environment: tuple[tuple[str, str], ...] = ()
    """Further settings, as CXRSHIFT_ variables."""


@dataclass(frozen=True)
class GatewayPorts:
    """Where a gateway listens: TCP ports."""

    rest: int
    """Port of REST."""
    grpc: int
    """Port of gRPC."""
    metrics: int
    """Port of the metrics."""


class GatewayProcess:
    """A running gateway: ``with GatewayProcess(config) as gateway`` returns once ``/readyz`` says ready."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self._folder = Path(tempfile.mkdtemp(prefix="cxrshift-gateway-"))
        self._ports_file = self._folder / "ports.json"
        try:
            self._process = ChildProcess(
                "The gateway",
                [sys.executable, "-m", "cxrshift.gateway"],
                environment=self._environment(),
                log=self._folder / "gateway.log",
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        try:
            self.ports = self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The gateway's process id."""
        return self._process.pid

    @property
    def rest_url(self) -> str:
        """Base address of the REST service."""
        scheme = "https" if "CXRSHIFT_TLS_CERTIFICATE" in self._environment() else "http"
        return f"{scheme}://{self._address}:{self.ports.rest}"

    @property
    def grpc_target(self) -> str:
        """``host:port`` of the gRPC service."""
        return f"{self._address}:{self.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds its metrics."""
        return f"http://{self._address}:{self.ports.metrics}/metrics"

    def check_running(self) -> None:
        """Raise LaunchError if it has ended."""
        self._process.check_running()

    def log(self, lines: int = 40) -> str:
        """The last lines that it printed."""
        return tail(self._process.log, lines)

    def stop(self) -> int:
        """Let it drain, then end it. Its exit code; safe to call twice."""
        code = self._process.stop(grace=self.config.drain_grace + _STOP_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)
        return code

    @property
    def _address(self) -> str:
        """An address to call it at: a wildcard is no address."""
        return "127.0.0.1" if self.config.host in ("0.0.0.0", "::", "") else self.config.host

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._settings()}

    def _settings(self) -> dict[str, str]:
        config = self.config
        return {
            "CXRSHIFT_HOST": config.host,
            "CXRSHIFT_REST_PORT": str(config.rest_port),
            "CXRSHIFT_GRPC_PORT": str(config.grpc_port),
            "CXRSHIFT_METRICS_PORT": str(config.metrics_port),
            "CXRSHIFT_PORTS_FILE": str(self._ports_file),
            "CXRSHIFT_UPSTREAM": config.upstream,
            "CXRSHIFT_MODELS": json.dumps(config.models),
            "CXRSHIFT_DRAIN_SECONDS": str(config.drain_grace),
            **dict(config.environment),
        }

    def _wait_ready(self) -> GatewayPorts:
        """Its ports, once it says on them that it is ready. Raises LaunchError."""
        deadline = time.monotonic() + self.config.startup_timeout
        ports: GatewayPorts | None = None
        while time.monotonic() < deadline:
            self.check_running()
            ports = ports or _read_ports(self._ports_file)
            # On the operator's port, where neither TLS nor a client certificate is asked for.
            if ports and _says_ready(f"http://{self._address}:{ports.metrics}/readyz"):
                return ports
            time.sleep(_POLL_SECONDS)
        raise LaunchError(f"The gateway did not become ready; its last words:\n{self.log()}")


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
