"""A gateway in this process in front of the TorchServe of the tests, over real sockets.

Modules that use these say ``pytestmark = pytest.mark.asyncio(loop_scope="module")``: they share one event loop, and so
can share one gateway.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio

from cxrshift.config import Settings
from cxrshift.gateway.server import Gateway
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from tests.gateway.running import Running, Start
from tests.gateway.samples import MODEL
from tests.gateway.worker_double import WorkerDouble, start_double


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_double() -> AsyncIterator[WorkerDouble]:
    double = WorkerDouble()
    server, double.target = await start_double(double)
    yield double
    await server.stop(None)


@pytest.fixture
def double(shared_double: WorkerDouble) -> WorkerDouble:
    """The worker, good again and with an empty memory."""
    shared_double.reset()
    return shared_double


async def start_gateway(exits: AsyncExitStack, double: WorkerDouble, **settings: Any) -> Running:
    ports = {"rest_port": 0, "grpc_port": 0, "metrics_port": 0}
    named = {**ports, "upstream": double.target, "models": (MODEL.name,), "drain_seconds": 5}
    gateway = await exits.enter_async_context(Gateway(Settings(**{**named, **settings})))
    rest = httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ports.rest}", timeout=20)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{gateway.ports.grpc}")
    await exits.enter_async_context(rest)
    await exits.enter_async_context(channel)
    return Running(gateway, rest, channel, ExplainerStub(channel))  # type: ignore[no-untyped-call]


@pytest_asyncio.fixture(loop_scope="module")
async def start(double: WorkerDouble) -> AsyncIterator[Start]:
    """Starts a gateway of this test's own, with the settings named."""
    async with AsyncExitStack() as exits:

        async def start_own(**settings: Any) -> Running:
            return await start_gateway(exits, double, **settings)

        yield start_own


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(shared_double: WorkerDouble) -> AsyncIterator[Running]:
    async with AsyncExitStack() as exits:
        yield await start_gateway(exits, shared_double)


@pytest.fixture
def running(shared_gateway: Running, double: WorkerDouble) -> Running:
    """A gateway with default settings, the module's own."""
    return shared_gateway


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Gives the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
