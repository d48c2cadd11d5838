"""The client against this project's own gateway: what one writes, the other reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cxrshift.config import Settings
from cxrshift.gateway.server import Gateway
from cxrshift_api.types import HeatmapReady, Problem, ProblemCode, Progress
from cxrshift_client import AsyncClient, Client, Explained, RequestError, Retry
from tests.gateway.samples import CLASSIFIED, MODEL, explain_reply, npy_image, same_explanation
from tests.gateway.worker_double import WorkerDouble, refuse, start_double

IMAGE = npy_image()


@pytest.fixture
def double() -> WorkerDouble:
    return WorkerDouble()


@pytest_asyncio.fixture
async def addresses(double: WorkerDouble) -> AsyncIterator[tuple[str, str]]:
    server, double.target = await start_double(double)
    settings = Settings(rest_port=0, grpc_port=0, metrics_port=0, upstream=double.target, models=(MODEL.name,))
    async with Gateway(settings) as gateway:
        yield f"grpc://127.0.0.1:{gateway.ports.grpc}", f"http://127.0.0.1:{gateway.ports.rest}"
    await server.stop(None)


async def test_both_clients_understand_the_gateway_over_both_protocols(
    addresses: tuple[str, str], double: WorkerDouble
) -> None:
    for address in addresses:
        async with AsyncClient(address) as client:
            assert await client.is_ready()
            reply = await client.explain(IMAGE, findings=["Cardiomegaly", "Effusion"], frames=5, request_id="r-7")
            expected = explain_reply("Cardiomegaly", "Effusion").explanations
            assert all(map(same_explanation, reply.explanations, expected))
            assert reply.request_id == "r-7"
            assert (await client.classify(IMAGE)).scores == CLASSIFIED.scores
            assert [model.name for model in await client.list_models()] == ["phantom"]
            events = [event async for event in client.explain_stream(IMAGE, findings="Effusion")]
            assert [type(event) for event in events] == [Progress, HeatmapReady, Explained]
            assert isinstance(events[-1], Explained)
            assert same_explanation(events[-1].explanation, explain_reply("Effusion").explanations[0])
            double.behave = refuse(Problem(ProblemCode.UNKNOWN_FINDING, "It knows others."))
            with pytest.raises(RequestError, match="UNKNOWN_FINDING: It knows others"):
                _ = [event async for event in client.explain_stream(IMAGE)]
            double.reset()
        await asyncio.to_thread(ask_blocking, address)


def ask_blocking(address: str) -> None:
    with Client(address, retry=Retry(attempts=1)) as client:
        assert client.is_ready()
        assert client.explain(IMAGE, profile="fixed", lambda_min=-1.0, lambda_max=1e-5, heatmap="mean").explanations
        with pytest.raises(RequestError) as caught:
            client.explain(IMAGE, model="no-such-model", request_id="r-8")
    assert (caught.value.problem.code, caught.value.request_id) == (ProblemCode.UNKNOWN_MODEL, "r-8")
