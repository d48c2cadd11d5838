"""Many requests in a row, and what they leave behind in the memory of worker, gateway and front end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil

from cxrshift.serving.stack import Stack
from cxrshift_api.types import ExplainOptions, Profile

from .calls import PROTOCOLS, ask, open_caller
from .reporting import to_table

SETTLED = 500
"""Requests after which memory should grow no more."""
_ROUND = 250
_CALLERS = 8
_OPTIONS = ExplainOptions(("Cardiomegaly",), Profile.FIXED, frames=3, lambda_min=-1.0, lambda_max=1.0)
"""As little work for the networks as there can be: what stays behind is a matter of requests, not of rows."""


@dataclass(frozen=True)
class Footprint:
    """Resident memory, in MiB, after a number of requests."""

    requests: int
    worker: float
    gateway: float
    front_end: float


@dataclass(frozen=True)
class SoakReport:
    """How memory went."""

    requests: int
    seconds: float
    errors: int
    footprints: tuple[Footprint, ...]
    worker_growth: float
    """Of the worker's memory from ``SETTLED`` requests to the end, as a share."""
    gateway_growth: float

    def tell(self) -> str:
        """A table of some of the footprints, and the growth."""
        every = max(1, len(self.footprints) // 12)
        shown = (*self.footprints[:-1:every], self.footprints[-1])
        rows = [(str(f.requests), f"{f.worker:.0f}", f"{f.gateway:.0f}", f"{f.front_end:.0f}") for f in shown]
        table = to_table(("requests", "worker MiB", "gateway MiB", "front end MiB"), rows)
        return (
            f"{table}\n\n{self.requests} requests in {self.seconds:.0f} s, {self.errors} errors; from {SETTLED} on "
            f"worker {self.worker_growth:+.1%}, gateway {self.gateway_growth:+.1%}"
        )


async def soak(stack: Stack, images: Sequence[bytes], requests: int) -> SoakReport:
    """``requests`` requests by several callers at once, half over gRPC and half over REST."""
    footprints = [_footprint(stack, 0)]
    errors, began = 0, time.perf_counter()
    async with AsyncExitStack() as exits:
        callers = [await exits.enter_async_context(open_caller(stack, p, _OPTIONS)) for p in PROTOCOLS]
        while (done := footprints[-1].requests) < requests:
            count = min(_ROUND, requests - done)
            outcomes = await ask(callers[len(footprints) % len(callers)], images, count, callers=_CALLERS)
            errors += sum(bool(outcome.error) for outcome in outcomes)
            footprints.append(_footprint(stack, done + count))
    settled = next((f for f in footprints if f.requests >= SETTLED), footprints[-1])
    last = footprints[-1]
    return SoakReport(
        requests,
        time.perf_counter() - began,
        errors,
        tuple(footprints),
        last.worker / settled.worker - 1.0,
        last.gateway / settled.gateway - 1.0,
    )


def _footprint(stack: Stack, requests: int) -> Footprint:
    worker, gateway = sum(map(resident_mebibytes, stack.worker_pids())), resident_mebibytes(stack.gateway.pid)
    return Footprint(requests, worker, gateway, resident_mebibytes(stack.torchserve.pid))


def resident_mebibytes(pid: int) -> float:
    """Memory of a process that is in RAM, in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / (1 << 20)
