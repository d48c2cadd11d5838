"""One TorchServe and one gateway for all tests of the running stack, in whichever folder they are: a pytest plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cxrshift.serving.stack import Stack, StackConfig
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from tests.gateway.collector import Collector
from tests.stack.stack_calls import open_channel, stub_for


@pytest.fixture(scope="session")
def phantom_folder() -> Path:
    return Path(__file__).resolve().parents[2] / "model_store/phantom"


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the stack's spans go."""
    with Collector() as running:
        yield running


@pytest.fixture(scope="session")
def stack(phantom_folder: Path, collector: Collector) -> Iterator[Stack]:
    with ExitStack() as exits:
        with pytest.MonkeyPatch.context() as patch:  # for this stack's processes alone
            for name, value in collector.environment.items():
                patch.setenv(name, value)
            running = exits.enter_context(Stack(StackConfig(models=(phantom_folder,))))
        yield running


@pytest.fixture(scope="session")
def explainer(stack: Stack) -> Iterator[ExplainerStub]:
    with open_channel(stack.grpc_target) as channel:
        yield stub_for(channel)
