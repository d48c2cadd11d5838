"""Callers that are slow, malformed or mean harm: told what is wrong, or cut off, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
import struct
import time
import zlib

import grpc
import numpy as np
import pytest
from PIL import Image

from cxrshift.gateway import http_server
from tests.gateway.running import Running, Start, request
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import WorkerDouble

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERS = re.compile(rb"HTTP/1\.1 \d{3} ")
POST = b"POST /v1/explain HTTP/1.1\r\nhost: localhost\r\n"


async def speak(running: Running, *parts: bytes, pause: float = 0.0, wait: float = 20.0) -> bytes:
    """What the service answers to raw bytes until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.gateway.ports.rest)

    async def send() -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    sending = asyncio.create_task(send())
    try:
        return await asyncio.wait_for(reader.read(), wait)
    finally:
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def status_of(answer: bytes) -> int:
    """Of the one answer that there must be."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(ANSWERS.findall(answer)) == 1
    assert b"application/problem+json" in head.lower()
    problem = json.loads(body)
    assert set(problem) >= {"type", "title", "status", "detail", "code", "request_id"}
    return int(problem["status"])


async def test_a_head_that_trickles_in_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.5)
    running = await start()
    began = time.perf_counter()
    trickle = [POST, *[b"x-a: b\r\n"] * 12]
    slow = [speak(running, *trickle, pause=0.1) for _ in range(50)]
    silent = speak(running, b"")
    told = await asyncio.gather(*slow, silent)
    assert [status_of(answer) for answer in told] == [408] * 51
    assert time.perf_counter() - began < 10
    assert (await running.rest.post("/v1/explain", content=npy_image())).status_code == 200


async def test_a_second_head_on_a_kept_connection_may_not_trickle_either(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.5)
    running = await start()
    whole = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = await speak(running, whole, b"GET /healthz HTTP/1.1\r\n", b"x", b"-", b"a", pause=0.2)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answer


async def test_a_body_that_trickles_in_is_given_up_and_holds_no_place(
    start: Start, double: WorkerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.5)
    running = await start(upload_seconds=0.5, max_in_flight=1, queue=0)
    double.reset()
    head = POST + b"content-length: 100000\r\n\r\n"
    slow = asyncio.create_task(speak(running, head, *[b"x"] * 30, pause=0.1))
    await asyncio.sleep(0.2)
    assert (await running.rest.post("/v1/explain", content=npy_image())).status_code == 200
    assert status_of(await slow) == 408
    assert len(double.works) == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (
            POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n",
            400,
        ),
        (POST + b"content-length: 3\r\ncontent-length: 30\r\n\r\nabcGET /v1/models HTTP/1.1\r\n\r\n", 400),
        (POST + b"content-length: -3\r\n\r\nabc", 400),
        (POST + b"content-length: 3, 3 GET\r\n\r\nabc", 400),
        (POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n", 501),
        (POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
        (POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /v1/explain HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
        (POST + b"x-long: " + b"x" * 200_000 + b"\r\n\r\n", 431),
        (POST + b"x: y\r\n" * 12_000 + b"\r\n", 431),
    ],
)
async def test_what_no_two_servers_read_alike_gets_one_refusal_and_the_connection_ends(
    running: Running, double: WorkerDouble, request_bytes: bytes, status: int
) -> None:
    double.reset()
    assert status_of(await speak(running, request_bytes)) == status
    assert double.works == []


async def test_a_malformed_chunk_ends_the_call_and_reaches_no_worker(running: Running, double: WorkerDouble) -> None:
    double.reset()
    head = POST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    answer = await speak(running, head, b"zz\r\nGET /v1/models HTTP/1.1\r\n\r\n", pause=0.1)
    assert answer.count(b"HTTP/1.1 200") == 0
    assert double.works == []


async def test_a_request_inside_a_body_is_but_a_body(running: Running, double: WorkerDouble) -> None:
    double.reset()
    inner = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
    head = POST + b"connection: close\r\ncontent-length: " + str(len(inner)).encode() + b"\r\n\r\n"
    answer = await speak(running, head + inner)
    assert len(ANSWERS.findall(answer)) == 1
    assert [work.explain.image for work in double.works] == [inner]


@pytest.mark.parametrize(
    "model", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "phantom/../x", "/etc/passwd", "phantom\0", "C:\\x", "%00"]
)
async def test_a_models_name_is_no_path(running: Running, double: WorkerDouble, model: str) -> None:
    double.reset()
    answer = await running.rest.post("/v1/explain", params={"model": model}, content=npy_image())
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_MODEL")
    assert "passwd" not in answer.text
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.stub.Explain(request(model=model))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert double.works == []


async def test_a_compressed_message_is_refused_before_it_is_unpacked(running: Running, double: WorkerDouble) -> None:
    double.reset()
    huge = request(image=bytes(60 << 20))  # 60 MB of nothing: 60 kB on the wire
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.stub.Explain(huge, compression=grpc.Compression.Gzip)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    packed = gzip.compress(npy_image())
    await running.rest.post("/v1/explain", content=packed, headers={"content-encoding": "gzip"})
    assert [work.explain.image for work in double.works] == [packed]  # as it came


async def test_every_answer_says_how_browsers_must_treat_it(running: Running) -> None:
    answers = [
        await running.rest.post("/v1/explain", content=npy_image()),
        await running.rest.post("/v1/explain", content=b""),
        await running.rest.get("/v1/models"),
        await running.rest.get("/nothing"),
        await running.rest.get("/openapi.json"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers
    assert "script-src" in (await running.rest.get("/docs")).headers["content-security-policy"]


async def test_pages_of_other_origins_may_not_call_unless_they_are_named(running: Running, start: Start) -> None:
    asking = {"origin": "https://viewer.example", "access-control-request-method": "POST"}
    answer = await running.rest.options("/v1/explain", headers=asking)
    assert "access-control-allow-origin" not in answer.headers
    named = await start(cors_origins=("https://viewer.example",))
    answer = await named.rest.options("/v1/explain", headers=asking)
    assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
    assert "access-control-allow-credentials" not in answer.headers
    other = await named.rest.options("/v1/explain", headers={**asking, "origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


def png_bomb(side: int) -> bytes:
    """A PNG that says ``side`` pixels each way and unpacks to zeros."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(100_000)) for _ in range(200)) + rows.flush()
    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


async def test_bombs_are_a_pngs_claim_away_from_the_decoder() -> None:
    from cxrshift.errors import CodedError
    from cxrshift.image.decode import decode_radiograph

    grey = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(grey, "png")
    assert decode_radiograph(grey.getvalue()).pixels.shape == (64, 64)
    for bomb in (png_bomb(60_000), png_bomb(2**31 - 1)):
        began = time.perf_counter()
        with pytest.raises(CodedError):
            decode_radiograph(bomb)
        assert time.perf_counter() - began < 2
