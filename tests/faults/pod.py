"""TorchServe as a pod has it: it may die at any time, and somebody starts it again at the same address."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift.serving.torchserve import TorchServeConfig, TorchServeProcess
from tests.faults.asks import Caller, GrpcCaller, RestCaller
from tests.faults.load import wait_until
from tests.ports import quiet_ports

MODEL = "phantom"
STARTUP = 300.0
"""Seconds that a start may take on a machine that does other things too."""


class Pod:
    """``with Pod(store) as pod``: TorchServe with one worker, which answers."""

    def __init__(self, store: Path, environment: tuple[tuple[str, str], ...] = ()) -> None:
        inference, grpc = quiet_ports(2)
        self.config = TorchServeConfig(
            store,
            (MODEL,),
            inference_port=inference,
            grpc_port=grpc,
            startup_timeout=STARTUP,
            environment=environment,
        )

    def __enter__(self) -> Self:
        self.torchserve = TorchServeProcess(self.config)
        try:
            self.torchserve.wait_ready()
        except BaseException:
            self.torchserve.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.torchserve.stop()

    @property
    def target(self) -> str:
        """``host:port`` of the gRPC inference service."""
        return self.torchserve.grpc_target

    def gateway(self, *settings: tuple[str, str], upstream: str = "") -> GatewayProcess:
        """A gateway in front of it, or in front of ``upstream``; its settings are CXRSHIFT_ variables."""
        config = GatewayConfig(upstream or self.target, (MODEL,), startup_timeout=STARTUP, environment=settings)
        return GatewayProcess(config)

    def worker(self) -> int:
        """The worker's process id, once there is one that is not ending."""
        wait_until(lambda: len(self.torchserve.worker_pids()) == 1, STARTUP, "there was no worker")
        return self.torchserve.worker_pids()[0]

    def kill_worker(self) -> None:
        """As the kernel does where memory runs out."""
        os.kill(self.worker(), signal.SIGKILL)

    def kill(self) -> None:
        """Front end and worker end as by a power cut."""
        for pid in (self.torchserve.pid, *self.torchserve.worker_pids()):
            os.kill(pid, signal.SIGKILL)
        self.torchserve.stop()

    def start_again(self) -> None:
        """As whoever supervises it does: at once, at the same address. Returns when it answers."""
        self.torchserve = TorchServeProcess(self.config)
        self.torchserve.wait_ready()


def callers_of(*gateways: GatewayProcess, each: int = 2, failover: bool = False) -> list[Caller]:
    """So many callers over each protocol, of all the gateways in turn."""
    targets, urls = [g.grpc_target for g in gateways], [g.rest_url for g in gateways]
    over_grpc = [GrpcCaller(targets, failover=failover) for _ in range(each)]
    return [*over_grpc, *(RestCaller(urls, failover=failover) for _ in range(each))]
