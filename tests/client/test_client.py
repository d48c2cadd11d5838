"""Both clients against a real server, over both transports: the same calls give the same answers."""

from __future__ import annotations

import io
import pickle
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

import cxrshift_client
from cxrshift_api.types import ClassifyRequest, ExplainRequest, HeatmapKind, Problem, ProblemCode, Profile
from cxrshift_client import (
    AccessError,
    AsyncClient,
    BusyError,
    Client,
    DeadlineError,
    Explained,
    ExplainerError,
    HeatmapReady,
    Progress,
    RequestError,
    Retry,
    ServiceFault,
    Timeout,
    UnreachableError,
)
from tests.client.service import MODELS, Answer, Request, Service, plain_answer, serve_grpc, serve_rest

QUICK = Retry(first_wait=0.001)
SERVERS: dict[str, Callable[[Service], AbstractContextManager[Service]]] = {"grpc": serve_grpc, "rest": serve_rest}


@pytest.fixture(params=["grpc", "rest"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with SERVERS[request.param](Service()) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.address, retry=QUICK, timeout=Timeout(10)) as one:
        yield one


def test_an_explanation_arrives_with_every_array_intact(client: Client, service: Service) -> None:
    reply = client.explain(b"file", findings=("Mass", "Effusion"), request_id="abc")
    expected = plain_answer(ExplainRequest(b"file", "", cxrshift_client.ExplainOptions(("Mass", "Effusion")), "abc"))
    assert isinstance(expected, cxrshift_client.ExplainReply)
    assert [e.finding for e in reply.explanations] == ["Mass", "Effusion"]
    assert reply.request_id == "abc"
    for got, sent in zip(reply.explanations, expected.explanations, strict=True):
        assert np.array_equal(got.frames, sent.frames)
        assert np.array_equal(got.scores, sent.scores)
        assert np.array_equal(got.heatmap, sent.heatmap)
        assert (got.below, got.quality, got.receipt) == (sent.below, sent.quality, sent.receipt)


def test_every_choice_reaches_the_service(client: Client, service: Service) -> None:
    client.explain(
        b"file",
        findings="Mass",
        model="xrv",
        profile="fixed",
        frames=5,
        heatmap="integrated",
        lambda_min=-0.1,
        lambda_max=1e-7,
        request_id="r",
    )
    options = cxrshift_client.ExplainOptions(
        ("Mass",), Profile.FIXED, 5, HeatmapKind.INTEGRATED, lambda_min=-0.1, lambda_max=1e-7
    )
    assert service.seen == [ExplainRequest(b"file", "xrv", options, "r")]


def test_a_call_without_a_request_id_gets_one(client: Client, service: Service) -> None:
    client.explain(b"x")
    client.classify(b"x")
    ids = [headers.get("x-request-id", "") for headers in service.headers]
    assert len(set(ids)) == 2
    assert all(len(one) == 32 for one in ids)


def test_scores_and_models_are_listed(client: Client, service: Service) -> None:
    reply = client.classify(b"file", model="xrv", request_id="c")
    assert (reply.scores[0].finding, reply.scores[0].score, reply.request_id) == ("Mass", 0.25, "c")
    assert client.list_models() == MODELS
    assert service.seen == [ClassifyRequest(b"file", "xrv", "c"), None]


def test_an_image_may_be_a_path_or_an_array(client: Client, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "chest.png"
    file.write_bytes(b"png bytes")
    pixels = np.arange(6, dtype=np.uint16).reshape(2, 3)
    client.classify(file)
    client.classify(str(file))
    client.classify(pixels)
    images = [request.image for request in service.seen if request]
    assert images[:2] == [b"png bytes"] * 2
    assert np.array_equal(np.load(io.BytesIO(images[2]), allow_pickle=False), pixels)


def test_a_stream_ends_with_the_explanations(client: Client, service: Service) -> None:
    events = list(client.explain_stream(b"file", findings=("Mass", "Effusion")))
    assert [e.explanation.finding for e in events if isinstance(e, Explained)] == ["Mass", "Effusion"]
    assert isinstance(events[0], Progress)
    assert [type(e) for e in events] == [Progress, HeatmapReady, Explained, HeatmapReady, Explained]
    heatmap = events[1]
    assert isinstance(heatmap, HeatmapReady)
    assert (heatmap.explanation.frames.size, heatmap.explanation.heatmap.shape) == (0, (128, 128))


def test_a_ready_service_says_so(client: Client, service: Service) -> None:
    assert client.is_ready()
    service.ready = False
    assert not client.is_ready()


@pytest.mark.parametrize(
    ("code", "family"),
    [
        (ProblemCode.UNKNOWN_FINDING, RequestError),
        (ProblemCode.FORBIDDEN, AccessError),
        (ProblemCode.DEADLINE, DeadlineError),
        (ProblemCode.INTERNAL, ServiceFault),
    ],
)
def test_a_problem_is_raised_as_the_error_of_its_family_at_once(
    client: Client, service: Service, code: ProblemCode, family: type[ExplainerError]
) -> None:
    service.answer = lambda request: Problem(code, "What would be right.")
    with pytest.raises(family) as caught:
        client.explain(b"x", request_id="r")
    assert caught.value.problem == Problem(code, "What would be right.")
    assert caught.value.request_id == "r-served"
    assert str(caught.value) == f"{code}: What would be right. (request r-served)"
    assert len(service.seen) == 1
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (family, str(caught.value))


def busy_at_first(times: int, retry_after: float | None) -> object:
    left = [times]

    def answer(request: Request) -> Answer:
        left[0] -= 1
        if left[0] >= 0:
            return Problem(ProblemCode.OVERLOADED, "Later.", retry_after)
        return plain_answer(request)

    return answer


def test_a_busy_service_is_asked_again_under_the_same_request_id(client: Client, service: Service) -> None:
    service.answer = busy_at_first(3, None)  # type: ignore[assignment]
    assert client.explain(b"x").explanations
    assert len(service.seen) == 4
    assert len({headers["x-request-id"] for headers in service.headers}) == 1


def test_a_retry_waits_as_long_as_the_service_asked(client: Client, service: Service) -> None:
    service.answer = busy_at_first(1, 1.0)  # type: ignore[assignment]
    started = time.monotonic()
    assert client.list_models() == MODELS
    assert time.monotonic() - started >= 1.0


def test_a_wait_longer_than_the_deadline_is_not_begun(client: Client, service: Service) -> None:
    service.answer = busy_at_first(1, 60.0)  # type: ignore[assignment]
    started = time.monotonic()
    with pytest.raises(BusyError) as caught:
        client.explain(b"x", timeout=5.0)
    assert caught.value.problem.retry_after == 60.0
    assert time.monotonic() - started < 2.0


def test_a_service_that_stays_busy_is_given_up_after_the_last_attempt(client: Client, service: Service) -> None:
    service.answer = busy_at_first(99, None)  # type: ignore[assignment]
    with pytest.raises(BusyError):
        client.classify(b"x")
    assert len(service.seen) == QUICK.attempts


def test_an_answer_that_comes_too_late_is_a_deadline_error(client: Client, service: Service) -> None:
    def slow(request: Request) -> Answer:
        time.sleep(0.5)
        return plain_answer(request)

    service.answer = slow
    with pytest.raises(DeadlineError):
        client.explain(b"x", timeout=0.1)


def test_headers_go_with_every_call(service: Service) -> None:
    with Client(service.address, headers={"Authorization": "Bearer abc"}) as client:
        client.classify(b"x")
    sent = {name.lower(): value for name, value in service.headers[0].items()}
    assert sent["authorization"] == "Bearer abc"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_where_nothing_listens_the_error_names_the_address(scheme: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"{scheme}://127.0.0.1:{reserved.getsockname()[1]}"
        with Client(address, retry=Retry(attempts=1)) as client:
            with pytest.raises(UnreachableError, match=address):
                client.explain(b"x")
            assert not client.is_ready()
        async with AsyncClient(address, retry=Retry(attempts=1)) as aclient:
            with pytest.raises(UnreachableError, match=address):
                await aclient.classify(b"x")
            assert not await aclient.is_ready()


async def test_the_awaited_client_does_the_same(service: Service) -> None:
    async with AsyncClient(service.address, retry=QUICK) as client:
        assert await client.is_ready()
        reply = await client.explain(b"file", findings="Mass", request_id="a")
        assert (reply.explanations[0].finding, reply.request_id) == ("Mass", "a")
        assert (await client.classify(b"x")).scores[0].score == 0.25
        events = [event async for event in client.explain_stream(b"x", findings="Mass")]
        assert isinstance(events[-1], Explained)
        service.answer = busy_at_first(2, None)  # type: ignore[assignment]
        assert await client.list_models() == MODELS
        service.answer = lambda request: Problem(ProblemCode.UNKNOWN_FINDING, "No.")
        with pytest.raises(RequestError) as caught:
            await client.explain(b"x", request_id="b")
        assert caught.value.request_id == "b-served"
        with pytest.raises(RequestError):
            _ = [event async for event in client.explain_stream(b"x")]


async def test_the_awaited_client_keeps_its_deadline(service: Service) -> None:
    def slow(request: Request) -> Answer:
        time.sleep(0.5)
        return plain_answer(request)

    service.answer = slow
    async with AsyncClient(service.address) as client:
        with pytest.raises(DeadlineError):
            await client.explain(b"x", timeout=0.1)
