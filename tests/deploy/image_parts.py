"""The containers that the image's tests start, each with its addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cxrshift.demo import to_png
from cxrshift.phantom import generate
from cxrshift.serving.processes import free_ports
from tests.deploy.containers import Container

NEEDS_IMAGE = [
    pytest.mark.skipif("CXRSHIFT_TEST_IMAGE" not in os.environ, reason="needs an image: make test-image"),
    pytest.mark.timeout(900),
]
GATEWAY, WHOLE = "cxrshift:gateway", "cxrshift:cpu"
MODEL, FINDING = "phantom", "Cardiomegaly"
NOTICED_WITHIN = 4.0
"""Seconds that a gateway goes on taking calls after SIGTERM."""


@dataclass(frozen=True)
class Front:
    """A gateway's container and its addresses."""

    container: Container
    rest: str
    grpc: str
    operator: str


@contextmanager
def start_torchserve(log: Path, *, host: str, rest: int, grpc: int) -> Iterator[Container]:
    """TorchServe alone, up and answering."""
    command = ["cxrshift", "torchserve", "--host", host, "--model", MODEL, "--threads", "1", "--folder", "/tmp/ts"]
    ports = ["--rest-port", str(rest), "--grpc-port", str(grpc)]
    with Container(WHOLE, [*command, *ports], log=log) as container:
        container.wait_until("python", "-m", "cxrshift.serving.probe", f"{host}:{rest}", MODEL)
        yield container


@contextmanager
def start_gateway(upstream: str, log: Path) -> Iterator[Front]:
    """A container with the image's own command, and nothing but settings."""
    rest, grpc, metrics = free_ports(3)
    settings = {
        "HOST": "127.0.0.1",
        "REST_PORT": str(rest),
        "GRPC_PORT": str(grpc),
        "METRICS_PORT": str(metrics),
        "UPSTREAM": upstream,
        "MODELS": json.dumps([MODEL]),
        "DRAIN_DELAY": str(NOTICED_WITHIN),
    }
    environment = [f"CXRSHIFT_{name}={value}" for name, value in settings.items()]
    with Container(GATEWAY, environment=environment, log=log) as container:
        yield Front(container, f"http://127.0.0.1:{rest}", f"grpc://127.0.0.1:{grpc}", f"http://127.0.0.1:{metrics}")


def make_image() -> bytes:
    """A phantom radiograph with the finding, as a PNG file."""
    return to_png(generate(18, findings=(FINDING,)))
