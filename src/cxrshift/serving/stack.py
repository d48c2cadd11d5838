"""The whole service on one machine: TorchServe with its models, and the gateway in front of it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cxrshift.models.manifest import read_manifest
from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift.serving.store import StoreSettings, build_store
from cxrshift.serving.torchserve import TorchServeConfig, TorchServeProcess


@dataclass(frozen=True)
class StackConfig:
    """What to serve and where. Ports of 0 are chosen free; times are seconds."""

    models: tuple[Path, ...]
    """Model folders; the first is the default model."""
    host: str = "127.0.0.1"
    rest_port: int = 0
    """Port of the gateway's REST."""
    grpc_port: int = 0
    """Port of the gateway's gRPC."""
    metrics_port: int = 0
    """Port of the gateway's metrics."""
    store: StoreSettings = field(default_factory=StoreSettings)
    store_folder: Path | None = None
    """Where the store is built, and kept for the next start; None = a temporary folder."""
    heap_mebibytes: int = 1024
    """Largest heap of the front end's Java, in mebibytes (2^20 bytes)."""
    job_queue_size: int = 100
    """Requests that wait for each model in TorchServe at most."""
    startup_timeout: float = 180.0
    """Seconds until every model must answer."""
    drain_grace: float = 30.0
    """Seconds that the gateway may take to finish what it has begun."""
    gateway_environment: tuple[tuple[str, str], ...] = ()
    """Further settings of the gateway, as CXRSHIFT_ variables."""


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
        return self.gateway.rest_url

    @property
    def grpc_target(self) -> str:
        """``host:port`` of the gRPC service."""
        return self.gateway.grpc_target

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds the gateway's metrics."""
        return self.gateway.metrics_url

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
        config = self.config
        names = tuple(read_manifest(model).name for model in config.models)
        serving = TorchServeConfig(
            store=build_store(config.models, self._store_folder(), settings=config.store),
            models=names,
            heap_mebibytes=config.heap_mebibytes,
            job_queue_size=config.job_queue_size,
            startup_timeout=config.startup_timeout,
            use_gpu=config.store.use_gpu,
        )
        self.torchserve = self._exit.enter_context(TorchServeProcess(serving))
        facing = GatewayConfig(
            upstream=self.torchserve.grpc_target,
            models=names,
            host=config.host,
            rest_port=config.rest_port,
            grpc_port=config.grpc_port,
            metrics_port=config.metrics_port,
            drain_grace=config.drain_grace,
            environment=config.gateway_environment,
        )
        self.gateway = self._exit.enter_context(GatewayProcess(facing))

    def _store_folder(self) -> Path:
        if self.config.store_folder is not None:
            return self.config.store_folder
        folder = Path(tempfile.mkdtemp(prefix="cxrshift-store-"))
        self._exit.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder
