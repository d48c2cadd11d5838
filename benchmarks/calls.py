"""Calls to a running stack as a benchmark makes them: bytes out, bytes in, the times of each kept."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

import grpc
import grpc.aio
import httpx

from cxrshift.gateway.timing import SERVER_TIMING
from cxrshift.phantom import generate
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, ExplainRequest

FINDING: Final = "Cardiomegaly"
FRAMES: Final = 11
OPTIONS: Final = ExplainOptions((FINDING,), frames=FRAMES)
PROTOCOLS: Final = ("grpc", "rest")

_ENGINE_STAGES = ("encode", "gradient", "search", "frames", "saliency")
_TIMING = re.compile(r"(\w+);(?:dur=([\d.]+)|desc=\"(\d+)\")")
_UNLIMITED = (("grpc.max_receive_message_length", -1),)
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Outcome:
    """One call; seconds."""

    seconds: float
    """From sending to the whole answer."""
    error: str = ""
    """What a failed call ended with; empty where it did not fail."""
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
async def open_caller(protocol: str, address: str) -> AsyncIterator[Caller]:
    """A caller over ``grpc`` (``address`` is host:port) or ``rest`` (a base URL)."""
    if protocol == "grpc":
        async with grpc.aio.insecure_channel(address, options=_UNLIMITED) as channel:
            yield _GrpcCaller(channel)
        return
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=_TIMEOUT, limits=limits) as http:
        yield _RestCaller(http)


class _GrpcCaller:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._explain = channel.unary_unary("/cxrshift.v1.Explainer/Explain", bytes, bytes)

    async def __call__(self, image: bytes) -> Outcome:
        request = codec.encode_explain_request(ExplainRequest(image, options=OPTIONS)).SerializeToString()
        began = time.perf_counter()
        call = self._explain(request, timeout=_TIMEOUT)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return Outcome(time.perf_counter() - began, error.code().name)
        seconds = time.perf_counter() - began
        trailing = {str(key): str(value) for key, value in await call.trailing_metadata() or ()}
        return _outcome(seconds, trailing)


class _RestCaller:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, image: bytes) -> Outcome:
        query = {"finding": FINDING, "frames": str(FRAMES)}
        began = time.perf_counter()
        try:
            answer = await self._http.post("/v1/explain", content=image, params=query)
        except httpx.HTTPError as error:
            return Outcome(time.perf_counter() - began, type(error).__name__)
        seconds = time.perf_counter() - began
        return _outcome(seconds, answer.headers) if answer.is_success else Outcome(seconds, str(answer.status_code))


def _outcome(seconds: float, headers: Mapping[str, str]) -> Outcome:
    spent = MappingProxyType({name: float(dur or desc) for name, dur, desc in _TIMING.findall(headers[SERVER_TIMING])})
    engine = sum(spent.get(stage, 0.0) for stage in _ENGINE_STAGES)
    return Outcome(seconds, "", spent["total"] / 1e3, engine / 1e3, int(spent["batch"]))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed, by the nearest rank; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else float("nan")
