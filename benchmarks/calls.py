"""Calls to a running stack as a benchmark makes them: bytes out, bytes in, the times of each kept."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

import grpc
import grpc.aio
import httpx

from cxrshift.gateway.timing import SERVER_TIMING
from cxrshift.phantom import generate
from cxrshift.serving.stack import Stack
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, ExplainRequest
from cxrshift_client.methods import EXPLAIN

OPTIONS: Final = ExplainOptions(("Cardiomegaly",), frames=11)
PROTOCOLS: Final = ("grpc", "rest")

_ENGINE_STAGES = ("encode", "gradient", "search", "frames", "saliency")
_TIMING = re.compile(r"(\w+);(?:dur=([\d.]+)|desc=\"(\d+)\")")
_UNLIMITED = (("grpc.max_receive_message_length", -1),)
_TIMEOUT = 60.0
_RETRY_AFTER = "retry-after"


@dataclass(frozen=True)
class Outcome:
    """One call; seconds."""

    seconds: float
    """From sending to the whole answer."""
    error: str = ""
    """What a failed call ended with; empty where it did not fail."""
    retry_after: float = 0.0
    """When a refused caller was told to come back, in seconds; 0 = it was not told."""
    worker: float = 0.0
    """The worker's time for the batch that held the request, decoding included."""
    engine: float = 0.0
    """The networks' part of that."""
    batch: int = 0
    """Requests in that batch."""


class Caller(Protocol):
    """Asks for one explanation. Never raises: what fails is an Outcome too."""

    async def __call__(self, image: bytes) -> Outcome:
        """One call."""
        ...


def phantom_pngs(count: int) -> list[bytes]:
    """``count`` different radiographs, PNG files of 256 pixels a side."""
    from cxrshift.demo import to_png

    return [to_png(generate(seed)) for seed in range(count)]


@asynccontextmanager
async def open_caller(stack: Stack, protocol: str, options: ExplainOptions = OPTIONS) -> AsyncIterator[Caller]:
    """A caller over ``grpc`` or ``rest``, who asks for ``options`` each time."""
    if protocol == "grpc":
        async with grpc.aio.insecure_channel(stack.grpc_target, options=_UNLIMITED) as channel:
            yield _GrpcCaller(channel, options)
        return
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=stack.rest_url, timeout=_TIMEOUT, limits=limits) as http:
        yield _RestCaller(http, options)


class _GrpcCaller:
    def __init__(self, channel: grpc.aio.Channel, options: ExplainOptions) -> None:
        self._options = options
        self._explain = channel.unary_unary("/cxrshift.v1.Explainer/Explain", bytes, bytes)

    async def __call__(self, image: bytes) -> Outcome:
        request = codec.encode_explain_request(ExplainRequest(image, options=self._options)).SerializeToString()
        began = time.perf_counter()
        call = self._explain(request, timeout=_TIMEOUT)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            told: Iterable[tuple[str, str]] = error.trailing_metadata() or ()  # type: ignore[assignment]
            return Outcome(time.perf_counter() - began, error.code().name, float(dict(told).get(_RETRY_AFTER, 0)))
        seconds = time.perf_counter() - began
        trailing = {str(key): str(value) for key, value in await call.trailing_metadata() or ()}
        return _outcome(seconds, trailing)


class _RestCaller:
    def __init__(self, http: httpx.AsyncClient, options: ExplainOptions) -> None:
        self._http = http
        self._query = EXPLAIN.to_http(ExplainRequest(b"", options=options)).query

    async def __call__(self, image: bytes) -> Outcome:
        began = time.perf_counter()
        try:
            answer = await self._http.post("/v1/explain", content=image, params=self._query)
        except httpx.HTTPError as error:
            return Outcome(time.perf_counter() - began, type(error).__name__)
        seconds = time.perf_counter() - began
        if answer.is_success:
            return _outcome(seconds, answer.headers)
        return Outcome(seconds, str(answer.status_code), float(answer.headers.get(_RETRY_AFTER, 0.0)))


def _outcome(seconds: float, headers: Mapping[str, str]) -> Outcome:
    spent = MappingProxyType({name: float(dur or desc) for name, dur, desc in _TIMING.findall(headers[SERVER_TIMING])})
    engine = sum(spent.get(stage, 0.0) for stage in _ENGINE_STAGES)
    worker, batch = spent["total"] / 1e3, int(spent["batch"])
    return Outcome(seconds, worker=worker, engine=engine / 1e3, batch=batch)


async def ask(call: Caller, images: Sequence[bytes], calls: int, *, callers: int) -> list[Outcome]:
    """``calls`` calls by ``callers`` at once, each of whom waits for its answer before it asks again."""
    waiting = iter(range(calls))
    outcomes: list[Outcome] = []

    async def caller() -> None:
        outcomes.extend([await call(images[number % len(images)]) for number in waiting])

    await asyncio.gather(*(caller() for _ in range(callers)))
    return outcomes


def mean_batch(outcomes: Sequence[Outcome]) -> float:
    """Requests in a batch on average: each batch counts once, however many of ``outcomes`` it held."""
    return len(outcomes) / sum(1.0 / o.batch for o in outcomes) if outcomes else float("nan")


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed, by the nearest rank; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
