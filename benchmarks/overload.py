"""The running stack past its limit: ``python -m benchmarks.overload --out DIR``.

First its capacity: answers a second to 16 callers who always wait for one. Then Poisson arrivals, half over gRPC and
half over REST, at 80% of that; at twice the capacity, for five minutes; and at 80% again. At last its capacity once
more. Each call is timed from the moment at which it should have been sent. Callers share the machine's cores with the
stack; how late they sent is told.

Writes overload.json and overload.png, and ends with code 1 where the service did not hold what is wanted of it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig

from .arrivals import Sent, plan_arrivals, send_planned
from .calls import PROTOCOLS, Caller, ask, open_caller, phantom_pngs
from .overload_plot import draw_run
from .overload_report import ALLOWED_RATIO, ALLOWED_RECOVERY, Memory, OverloadReport, Plan, judge
from .reporting import describe_machine, say_machine, write_json
from .soak import resident_mebibytes

_WARM_UP = 64
_CAPACITY_CALLS = 160
_CALM_SHARE = 0.8
_SAMPLE_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    given = _parse(arguments)
    machine, images = describe_machine(), phantom_pngs(64)
    print(say_machine(machine), flush=True)
    with Stack(StackConfig(models=(find_model(given.model),))) as stack:
        report, sent = asyncio.run(_measure(stack, images, given))
    print(report.tell())
    write_json(given.out / "overload.json", machine, {"model": given.model, **asdict(report)})
    (given.out / "overload.png").write_bytes(draw_run(report, sent, say_machine(machine)))
    print(f"\nwritten to {given.out}: overload.json, overload.png")
    return 0 if holds(report) else 1


def holds(report: OverloadReport) -> bool:
    """Whether the service kept what is wanted of it; its memory is for a reader to judge."""
    everybody_heard = not any(phase.failures for phase in report.phases)
    advised = report.phases[1].retry_after[0] > 0
    return report.ratio <= ALLOWED_RATIO and report.back_to_normal <= ALLOWED_RECOVERY and everybody_heard and advised


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/load"), help="folder for what is written")
    parser.add_argument("--model", default="phantom", help="name of an installed model with the phantom's findings")
    parser.add_argument("--callers", type=int, default=16, help="who measure the capacity: the gateway's max_in_flight")
    parser.add_argument("--times", type=float, default=2.0, help="arrivals past the limit, in capacities")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long that is kept up")
    parser.add_argument("--calm", type=float, default=60.0, metavar="SECONDS", help="how long 80%% is kept up before")
    parser.add_argument("--after", type=float, default=30.0, metavar="SECONDS", help="and afterwards")
    return parser.parse_args(arguments)


async def _measure(
    stack: Stack, images: Sequence[bytes], given: argparse.Namespace
) -> tuple[OverloadReport, list[Sent]]:
    async with AsyncExitStack() as exits:
        callers = [await exits.enter_async_context(open_caller(stack, protocol)) for protocol in PROTOCOLS]
        capacity = await _capacity(callers, images, given.callers)
        calm, overload = _CALM_SHARE * capacity, given.times * capacity
        plan = Plan(capacity, calm, overload, given.calm, given.seconds, given.after)
        memory: list[Memory] = []
        watching = asyncio.create_task(_watch(stack, memory))
        try:
            sent = await send_planned(callers, images, _moments(plan))
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        capacity_after = await _capacity(callers, images, given.callers)
    return judge(plan, sent, memory, capacity_after), sent


async def _capacity(callers: Sequence[Caller], images: Sequence[bytes], waiting: int) -> float:
    """Answers a second to so many callers, ``waiting``, that the batches are always full."""

    async def answer(calls: int) -> None:
        each = calls // len(callers)
        await asyncio.gather(*(ask(call, images, each, callers=waiting // len(callers)) for call in callers))

    await answer(_WARM_UP)
    began = time.perf_counter()
    await answer(_CAPACITY_CALLS)
    return _CAPACITY_CALLS / (time.perf_counter() - began)


def _moments(plan: Plan) -> list[float]:
    """When to call, in seconds of the run."""
    phases = (
        (plan.calm, plan.calm_seconds, 0.0),
        (plan.overload, plan.overload_seconds, plan.calm_seconds),
        (plan.calm, plan.recovery_seconds, plan.overload_ends),
    )
    return [
        begin + moment
        for seed, (rate, seconds, begin) in enumerate(phases)
        for moment in plan_arrivals(rate, seconds, seed)
    ]


async def _watch(stack: Stack, memory: list[Memory]) -> None:
    began = time.perf_counter()
    while True:
        worker = sum(map(resident_mebibytes, stack.worker_pids()))
        gateway, front_end = resident_mebibytes(stack.gateway.pid), resident_mebibytes(stack.torchserve.pid)
        memory.append(Memory(time.perf_counter() - began, worker, gateway, front_end))
        await asyncio.sleep(_SAMPLE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
