"""Being refused with megabytes in hand: the 429 arrives whole, whatever of the body was sent by then."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc
import pytest

from cxrshift_api import explain_pb2 as pb
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from tests.gateway.running import Running, Start, request
from tests.gateway.test_faults import until
from tests.gateway.worker_double import WorkerDouble, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = bytes(24 << 20)
"""More than any socket's buffers hold."""
HEAD = "POST /v1/explain HTTP/1.1\r\nHost: gateway\r\n"


@dataclass
class FullHouse:
    """A gateway with one place, which is taken until the gate opens."""

    running: Running
    gate: asyncio.Event


@pytest.fixture
def full_house(start: Start, double: WorkerDouble) -> Callable[[], Awaitable[FullHouse]]:
    async def fill() -> FullHouse:
        house = FullHouse(await start(max_in_flight=1, queue=0), asyncio.Event())

        async def hold(work: pb.WorkRequest, number: int) -> pb.WorkReply:
            await house.gate.wait()
            return await answer(work, number)

        double.behave = hold
        house.running.stub.Explain(request())
        await until(lambda: len(double.works) == 1)
        return house

    return fill


def connect(house: FullHouse) -> socket.socket:
    return socket.create_connection(("127.0.0.1", house.running.gateway.ports.rest), timeout=20)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One HTTP answer: status, headers, body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += receive(connection)
    return int(first.split()[1]), headers, body


def receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    assert chunk, "the connection ended before the answer did"
    return chunk


def assert_refused(told: tuple[int, dict[str, str], bytes]) -> None:
    status, headers, body = told
    assert (status, json.loads(body)["code"]) == (429, "OVERLOADED")
    assert int(headers["retry-after"]) >= 1


async def test_a_caller_who_sends_all_before_it_reads_gets_its_429_and_keeps_its_connection(
    full_house: Callable[[], Awaitable[FullHouse]],
) -> None:
    house = await full_house()

    def send_all() -> None:
        with connect(house) as connection:
            for _ in range(2):
                connection.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
                assert_refused(read_answer(connection))

    await asyncio.to_thread(send_all)
    house.gate.set()


async def test_a_caller_who_sends_in_chunks_gets_its_429_too(
    full_house: Callable[[], Awaitable[FullHouse]],
) -> None:
    house = await full_house()

    def send_chunks() -> None:
        with connect(house) as connection:
            connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
            chunk = bytes(1 << 20)
            for _ in range(24):
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.sendall(b"0\r\n\r\n")
            assert_refused(read_answer(connection))

    await asyncio.to_thread(send_chunks)
    house.gate.set()


@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\r\n"])
async def test_the_429_comes_before_the_body_is_sent(
    full_house: Callable[[], Awaitable[FullHouse]], expects: str
) -> None:
    house = await full_house()

    def send_head() -> float:
        with connect(house) as connection:
            began = time.perf_counter()
            connection.sendall(f"{HEAD}{expects}Content-Length: {len(BODY)}\r\n\r\n".encode())
            assert_refused(read_answer(connection))  # not 100, which would ask for the body
            return time.perf_counter() - began

    assert await asyncio.to_thread(send_head) < 1.0
    house.gate.set()


async def test_a_caller_whose_grpc_tries_again_by_itself_is_answered_when_there_is_room(
    full_house: Callable[[], Awaitable[FullHouse]],
) -> None:
    house = await full_house()
    policy = {
        "maxAttempts": 5,
        "initialBackoff": "0.1s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
    }
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    target = f"127.0.0.1:{house.running.gateway.ports.grpc}"
    async with grpc.aio.insecure_channel(target, options=[("grpc.service_config", config)]) as channel:
        call = ExplainerStub(channel).Explain(request(request_id="again"))  # type: ignore[no-untyped-call]
        await asyncio.sleep(0.3)
        house.gate.set()
        assert (await call).request_id == "again"
        assert dict(await call.initial_metadata())["x-request-id"] == "again"
    refusals = await house.running.samples("cxrshift_problems_total")
    assert refusals[("OVERLOADED",)] >= 1.0
