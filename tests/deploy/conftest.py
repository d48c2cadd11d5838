"""One TorchServe for all tests of a file, two gateways for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrshift.serving.processes import free_ports
from tests.deploy.containers import Container
from tests.deploy.image_parts import Front, start_gateway, start_torchserve


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def torchserve(logs: Path) -> Iterator[tuple[Container, str]]:
    """TorchServe alone, and where gateways reach it."""
    rest, grpc = free_ports(2)
    with start_torchserve(logs / "torchserve", host="127.0.0.1", rest=rest, grpc=grpc) as container:
        yield container, f"127.0.0.1:{grpc}"


@pytest.fixture
def fronts(torchserve: tuple[Container, str], logs: Path) -> Iterator[tuple[Front, Front]]:
    """Two gateways before the same TorchServe."""
    with start_gateway(torchserve[1], logs / "a") as first, start_gateway(torchserve[1], logs / "b") as second:
        for front in (first, second):
            front.container.wait_until("python", "-m", "cxrshift.serving.probe", f"{front.operator}/readyz")
        yield first, second
