"""A running gateway and its callers, and what they read off it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cxrshift.gateway.server import Gateway
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ExplainOptions, ExplainRequest
from tests.gateway.samples import npy_image


@dataclass(frozen=True)
class Running:
    """A running gateway and its callers."""

    gateway: Gateway
    rest: httpx.AsyncClient
    channel: grpc.aio.Channel
    stub: Any

    async def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """A metric's samples as Prometheus would read them: label values in the labels' order, then the value."""
        url = f"http://127.0.0.1:{self.gateway.ports.metrics}/metrics"
        text = (await self.rest.get(url)).text
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }


Start = Callable[..., Awaitable[Running]]


def request(options: ExplainOptions | None = None, *, image: bytes | None = None, **named: str) -> pb.ExplainRequest:
    """An explain request's message."""
    image = npy_image() if image is None else image
    return codec.encode_explain_request(ExplainRequest(image, options=options or ExplainOptions(), **named))


async def grpc_problem(call: Awaitable[Any]) -> tuple[grpc.aio.AioRpcError, pb.Problem]:
    """The failure of a call, and the Problem in its trailing metadata."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    metadata: dict[str, Any] = dict(raised.value.trailing_metadata() or ())  # type: ignore[arg-type]
    return raised.value, pb.Problem.FromString(metadata["cxrshift-problem-bin"])
