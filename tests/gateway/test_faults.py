"""What goes wrong behind the gateway, and callers that give up: who hears of it, and what it costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import grpc
import httpx
import pytest

from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ExplainOptions, Problem, ProblemCode
from tests.gateway.running import Running, Start, grpc_problem, request
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import (
    DIED,
    DIED_OTHERWISE,
    NOT_FOUND,
    QUEUE_FULL,
    RAISED,
    REMOVED,
    Failure,
    WorkerDouble,
    answer,
    fail,
    refuse,
    sleep,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what must become true soon."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("failure", [DIED, DIED_OTHERWISE])
async def test_a_worker_that_dies_costs_the_caller_nothing_but_time(
    start: Start, double: WorkerDouble, failure: Failure
) -> None:
    running = await start()
    double.behave = fail(failure, times=2)
    reply = await running.stub.Explain(request())
    assert len(reply.explanations) == 1
    assert double.works[0] == double.works[1] == double.works[2]
    assert await running.samples("cxrshift_retries_total") == {(): 2.0}


async def test_a_request_that_kills_every_worker_is_given_up(start: Start, double: WorkerDouble) -> None:
    running = await start(retries=2)
    double.behave = fail(DIED)
    error, problem = await grpc_problem(running.stub.Explain(request()))
    assert (error.code(), problem.code) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert problem.retry_after > 0
    assert len(double.works) == 3


async def test_a_request_that_kills_its_workers_takes_its_neighbours_with_it_twice_at_most(
    start: Start, double: WorkerDouble
) -> None:
    at_work: set[asyncio.Event] = set()
    victims: list[int] = []

    async def die_of_mass(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        if "Mass" in work.explain.options.findings:
            await asyncio.sleep(0.1)
            victims.append(len(at_work))
            for neighbour in at_work:
                neighbour.set()
            raise DIED
        lost = asyncio.Event()
        at_work.add(lost)
        with suppress(TimeoutError):
            await asyncio.wait_for(lost.wait(), 0.3)
        at_work.remove(lost)
        if lost.is_set():
            raise DIED
        return await answer(work, number)

    running = await start(retries=3)
    double.behave = die_of_mass
    neighbours = [running.stub.Explain(request(ExplainOptions(("Effusion",)))) for _ in range(5)]
    error, _ = await grpc_problem(running.stub.Explain(request(ExplainOptions(("Mass",)))))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert [len((await call).explanations) for call in neighbours] == [1] * 5
    assert victims[0] > 0
    assert victims[2:] == [0, 0]


@pytest.mark.parametrize(
    ("failure", "code", "retry_after"),
    [
        (QUEUE_FULL, "OVERLOADED", True),
        (NOT_FOUND, "UNAVAILABLE", True),
        (RAISED, "INTERNAL", False),
        (REMOVED, "INTERNAL", False),
    ],
)
async def test_what_a_second_try_would_not_mend_is_told_at_once_in_words_of_our_own(
    running: Running, double: WorkerDouble, failure: Failure, code: str, retry_after: bool
) -> None:
    double.behave = fail(failure)
    _, problem = await grpc_problem(running.stub.Explain(request()))
    assert (problem.code, problem.HasField("retry_after")) == (code, retry_after)
    assert "pytorch" not in problem.message
    assert len(double.works) == 1


async def test_nothing_upstream_is_unavailable(start: Start) -> None:
    running = await start(upstream="127.0.0.1:1")
    _, problem = await grpc_problem(running.stub.Explain(request()))
    assert problem.code == "UNAVAILABLE"
    listed = await running.stub.ListModels(pb.ListModelsRequest())
    assert [(model.name, model.ready) for model in listed.models] == [("phantom", False)]


BROKEN = pb.Explanation(lambdas=pb.Array(dtype="int8"))


@pytest.mark.parametrize(
    "reply",
    [
        pb.WorkReply(),
        pb.WorkReply(describe=pb.ModelInfo()),
        pb.WorkReply(explain=pb.ExplainReply(explanations=[BROKEN])),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_internal_error(
    running: Running, double: WorkerDouble, reply: pb.WorkReply
) -> None:
    async def babble(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        return reply

    double.behave = babble
    _, problem = await grpc_problem(running.stub.Explain(request()))
    assert problem.code == "INTERNAL"


async def test_a_deadline_ends_the_wait_on_both_protocols(start: Start, double: WorkerDouble) -> None:
    running = await start(max_deadline=0.3, default_deadline=0.3)
    double.behave = sleep(5)
    started = time.monotonic()
    answer = await running.rest.post("/v1/explain", params={"timeout": 0.1}, content=npy_image())
    assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE")
    answer = await running.rest.post("/v1/explain", params={"timeout": 1000}, content=npy_image())
    assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE")  # cut to the service's own
    _, problem = await grpc_problem(running.stub.Explain(request()))
    assert problem.code == "DEADLINE"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.stub.Explain(request(), timeout=0.2)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 4
    await until(lambda: double.ended == 4)  # the worker's side heard of each
    assert (await running.samples("cxrshift_problems_total"))[("DEADLINE",)] == 4.0


async def test_past_both_limits_the_next_is_refused_and_the_waiting_are_answered(
    start: Start, double: WorkerDouble
) -> None:
    running = await start(max_in_flight=1, queue=1)
    gate = asyncio.Event()

    async def hold(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        await gate.wait()
        return await answer(work, number)

    double.behave = hold
    first = running.stub.Explain(request(request_id="1"))
    await until(lambda: len(double.works) == 1)
    second = running.stub.Explain(request(request_id="2"))
    await asyncio.sleep(0.2)
    assert len(double.works) == 1  # the second waits here, not there
    refused = await running.rest.post("/v1/explain", content=npy_image())
    assert (refused.status_code, refused.json()["code"]) == (429, "OVERLOADED")
    assert int(refused.headers["retry-after"]) >= 1
    error, problem = await grpc_problem(running.stub.ExplainStream(request()).read())
    assert (error.code(), problem.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    gate.set()
    assert [(await call).request_id for call in (first, second)] == ["1", "2"]
    assert (await running.rest.post("/v1/explain", content=npy_image())).status_code == 200


async def test_callers_that_leave_free_their_places(start: Start, double: WorkerDouble) -> None:
    running = await start(max_in_flight=2, queue=0)
    double.behave = sleep(60)
    over_grpc = running.stub.Explain(request())
    over_rest = asyncio.create_task(running.rest.post("/v1/explain", content=npy_image()))
    await until(lambda: len(double.works) == 2)
    over_grpc.cancel()
    over_rest.cancel()
    await until(lambda: double.ended == 2)
    double.reset()
    replies = await asyncio.gather(*(running.stub.Explain(request()) for _ in range(2)))
    assert [len(reply.explanations) for reply in replies] == [1, 1]
    ended = await running.samples("cxrshift_request_seconds_count")
    assert ended[("CANCELLED", "explain", "grpc")] == ended[("CANCELLED", "explain", "rest")] == 1.0


async def test_a_busy_worker_is_still_ready_and_a_silent_one_is_not(start: Start, double: WorkerDouble) -> None:
    running = await start(readiness_timeout=0.1)
    double.behave = sleep(30)
    assert (await running.rest.get("/readyz")).status_code == 503  # never heard of
    double.behave = answer
    assert (await running.rest.post("/v1/explain", content=npy_image())).status_code == 200
    await asyncio.sleep(1.1)
    double.behave = sleep(30)
    assert (await running.rest.get("/readyz")).status_code == 200  # heard of a moment ago


async def test_the_worker_is_told_when_the_time_is_over(start: Start, double: WorkerDouble) -> None:
    running = await start()
    await running.rest.post("/v1/explain", params={"timeout": 7}, content=npy_image())
    await running.stub.Explain(request(), timeout=9)
    left = [work.expires - time.time() for work in double.works]
    assert 5.0 < left[0] <= 7.0
    assert 7.0 < left[1] <= 9.0


async def test_a_worker_whose_clock_is_ahead_is_asked_again_without_the_time(
    start: Start, double: WorkerDouble
) -> None:
    running = await start()
    late = Problem(ProblemCode.DEADLINE, "The request's time was over before a worker could take it.")

    async def ahead(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        return await (refuse(late) if work.HasField("expires") else answer)(work, number)

    double.behave = ahead
    assert len((await running.stub.Explain(request())).explanations) == 1
    assert [work.HasField("expires") for work in double.works] == [True, False]


async def test_while_it_drains_the_service_says_not_ready_and_takes_calls(start: Start, double: WorkerDouble) -> None:
    running = await start(drain_delay=1.5)
    operator = f"http://127.0.0.1:{running.gateway.ports.metrics}"
    assert [(await running.rest.get(f"{operator}/{page}")).status_code for page in PROBES] == [200, 200, 200]
    closing = asyncio.create_task(running.gateway.__aexit__(None, None, None))
    await asyncio.sleep(0.2)
    try:
        assert [(await running.rest.get(f"{operator}/{page}")).status_code for page in PROBES] == [200, 503, 200]
        answered = await running.rest.post("/v1/explain", content=npy_image())
        assert (answered.status_code, answered.headers["connection"]) == (200, "close")
        assert len((await running.stub.Explain(request())).explanations) == 1
        assert (await running.rest.get("/readyz")).status_code == 503
    finally:
        await closing
    with pytest.raises(httpx.ConnectError):
        await running.rest.post("/v1/explain", content=npy_image())


async def test_the_startup_probe_waits_for_the_first_answer_and_asks_no_more(
    start: Start, double: WorkerDouble
) -> None:
    double.behave = fail(RAISED)
    running = await start(readiness_timeout=0.5)
    url = f"http://127.0.0.1:{running.gateway.ports.metrics}"
    assert (await running.rest.get(f"{url}/startupz")).status_code == 503
    assert (await running.rest.get(f"{url}/healthz")).status_code == 200
    double.behave = answer
    assert (await running.rest.get(f"{url}/startupz")).status_code == 200
    double.behave = fail(RAISED)
    await asyncio.sleep(1.1)
    assert (await running.rest.get(f"{url}/readyz")).status_code == 503
    assert (await running.rest.get(f"{url}/startupz")).status_code == 200


PROBES = ("healthz", "readyz", "startupz")
