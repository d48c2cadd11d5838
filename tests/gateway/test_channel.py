"""The way to several TorchServes behind one name, with a name server of the test's own."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc
import pytest

from cxrshift.gateway.channel import WorkerChannel
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.torchserve_inference_pb2 import PredictionsRequest
from cxrshift_api.torchserve_inference_pb2_grpc import add_InferenceAPIsServiceServicer_to_server
from tests.gateway.worker_double import WorkerDouble, sleep

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
WORK = codec.to_bytes(pb.WorkRequest(describe=pb.DescribeRequest()))
REQUEST = PredictionsRequest(model_name="phantom", input={"work": WORK})


@asynccontextmanager
async def listening(address: str, port: int) -> AsyncIterator[tuple[WorkerDouble, int]]:
    """A worker's double on an address, and its port (0 = any free one)."""
    double, server = WorkerDouble(), grpc.aio.server()
    add_InferenceAPIsServiceServicer_to_server(double, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port(f"{address}:{port}")
    await server.start()
    try:
        yield double, port
    finally:
        await server.stop(0)


class NameServer(asyncio.DatagramProtocol):
    """Answers every question for an IPv4 address with ``addresses``, and every other with none."""

    def __init__(self) -> None:
        self.addresses = [FIRST]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        found = [socket.inet_aton(each) for each in self.addresses] if kind == 1 else []
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0)
        records = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + each for each in found)
        self._transport.sendto(head + data[12:end] + records, addr)


@pytest.fixture
async def names() -> AsyncIterator[tuple[NameServer, int]]:
    """A running name server and its port."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, (FIRST, 0))
    yield server, transport.get_extra_info("sockname")[1]
    transport.close()


async def call(channel: WorkerChannel) -> None:
    await channel.stub.Predictions(REQUEST, timeout=10)


async def test_calls_go_to_each_address_of_a_name_in_turn(names: tuple[NameServer, int]) -> None:
    async with listening(FIRST, 0) as (first, port), listening(SECOND, port) as (second, _):
        names[0].addresses = [FIRST, SECOND]
        channel = WorkerChannel(f"dns://{FIRST}:{names[1]}/workers:{port}", max_message_bytes=1 << 20)
        await call(channel)
        await asyncio.sleep(0.3)  # until both are connected
        first.reset()
        second.reset()
        for _ in range(10):
            await call(channel)
        await channel.close()
    assert (len(first.works), len(second.works)) == (5, 5)


async def test_an_address_that_joins_later_gets_its_share_and_no_call_is_lost(names: tuple[NameServer, int]) -> None:
    async with listening(FIRST, 0) as (first, port), listening(SECOND, port) as (second, _):
        first.behave = sleep(0.3)  # so that calls are under way while the channel is renewed
        target = f"dns://{FIRST}:{names[1]}/workers:{port}"
        channel = WorkerChannel(target, max_message_bytes=1 << 20, renew_seconds=0.1)
        calls = [asyncio.create_task(call(channel)) for _ in range(4)]
        await asyncio.sleep(0.2)
        assert not second.works
        names[0].addresses = [FIRST, SECOND]
        for _ in range(10):
            calls.append(asyncio.create_task(call(channel)))
            await asyncio.sleep(0.1)
        await asyncio.gather(*calls)
        await channel.close()
    assert second.works
    assert len(first.works) + len(second.works) == 14


async def test_a_name_that_cannot_be_looked_up_for_a_while_costs_nothing(names: tuple[NameServer, int]) -> None:
    async with listening(FIRST, 0) as (double, port):
        target = f"dns://{FIRST}:{names[1]}/workers:{port}"
        channel = WorkerChannel(target, max_message_bytes=1 << 20, renew_seconds=0.1)
        await call(channel)
        names[0].addresses = []
        await asyncio.sleep(0.5)
        await call(channel)
        await channel.close()
    assert len(double.works) == 2
