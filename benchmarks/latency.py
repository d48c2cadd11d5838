"""What the stack adds to the engine's own time: ``python -m benchmarks.latency``.

Times the engine alone, then starts TorchServe and the gateway on free ports and asks them for the same explanations:
one caller at a time, then as many at once as fill two batches. What is added is each answer's own time less that of
the networks for it, as the answer's Server-Timing tells it: decoding the image counts as added.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cxrshift.core.engine import Engine, Order
from cxrshift.image.decode import decode_radiograph
from cxrshift.models.folders import find_model
from cxrshift.models.loader import load_model
from cxrshift.serving.stack import Stack, StackConfig
from cxrshift.serving.store import StoreSettings
from cxrshift_api.types import Profile

from .calls import OPTIONS, PROTOCOLS, Outcome, ask, mean_batch, open_caller, phantom_pngs, quantile
from .reporting import describe_machine, say_machine, to_table, write_json

_WARM_UP = 300
"""Calls before any is timed: Java compiles what it runs often, and its front end gets some 3 ms faster in that time."""
_QUICK = replace(OPTIONS, profile=Profile.FIXED, lambda_min=-1.0, frames=2)
"""Warms up every way through the stack, and little else."""
_TO_MS = 1e3


@dataclass(frozen=True)
class Alone:
    """One caller; milliseconds."""

    protocol: str
    p50: float
    p90: float
    p99: float
    engine_p50: float
    added_p50: float
    added_p90: float


@dataclass(frozen=True)
class Crowd:
    """Many callers, each with the next request as soon as the last is answered."""

    protocol: str
    callers: int
    per_second: float
    share: float
    """Of the engine's own throughput at ``mean_batch``, the batch size of the service."""
    p50: float
    mean_batch: float
    errors: int


@dataclass(frozen=True)
class Offline:
    """The engine in this process, without any stack."""

    one_p50: float
    """Milliseconds of one explanation."""
    per_second: float
    """Explanations a second at ``batch`` orders a call."""
    batch: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--calls", type=int, default=100, help="measured calls of each kind")
    parser.add_argument("--batch-size", type=int, default=StoreSettings().batch_size)
    parser.add_argument("--delay", type=int, default=StoreSettings().max_batch_delay_ms, help="most ms for company")
    compress_above = StoreSettings().compress_above
    parser.add_argument("--compress-above", type=int, default=compress_above, help="bytes of a batch; 0 = always")
    parser.add_argument("--model", default="phantom", help="name of an installed model with the phantom's findings")
    parser.add_argument("--out", type=Path, help="folder for latency.json")
    given = parser.parse_args(arguments)
    images = phantom_pngs(min(given.calls, 64))
    machine = describe_machine()
    print(say_machine(machine), flush=True)
    offline = measure_offline(given.model, images, batch=given.batch_size)
    print(f"engine alone: {offline.one_p50:.1f} ms; {offline.per_second:.1f} a second in batches of {offline.batch}")
    settings = StoreSettings(
        batch_size=given.batch_size, max_batch_delay_ms=given.delay, compress_above=given.compress_above
    )
    with Stack(StackConfig(models=(find_model(given.model),), store=settings)) as stack:
        alone, crowds = asyncio.run(_measure(stack, images, given.calls, offline))
    print(_tell_alone(alone), _tell_crowds(crowds), sep="\n\n")
    if given.out:
        results = {"model": given.model, "store": asdict(settings), "offline": asdict(offline)}
        results |= {"alone": list(map(asdict, alone)), "crowds": list(map(asdict, crowds))}
        write_json(given.out / "latency.json", machine, results)


def measure_offline(model: str, images: Sequence[bytes], *, batch: int, calls: int = 20) -> Offline:
    """The engine's own speed here, images decoded beforehand."""
    engine = Engine(load_model(model))
    orders = [Order(decode_radiograph(image), OPTIONS) for image in images]

    def seconds(some: Sequence[Order]) -> float:
        began = time.perf_counter()
        engine.explain(some)
        return time.perf_counter() - began

    batches = [(orders * batch)[i * batch : (i + 1) * batch] for i in range(max(2, 2 * calls // batch))]
    for some in (orders[:1], batches[0]):
        seconds(some)
    one = [seconds([orders[i % len(orders)]]) for i in range(calls)]
    many = [seconds(some) for some in batches]
    return Offline(_TO_MS * quantile(one, 0.5), batch / quantile(many, 0.5), batch)


async def _measure(
    stack: Stack, images: Sequence[bytes], calls: int, offline: Offline
) -> tuple[list[Alone], list[Crowd]]:
    alone, crowds = [], []
    for protocol in PROTOCOLS:
        async with open_caller(stack, protocol, _QUICK) as call:
            await ask(call, images, _WARM_UP, callers=1)
    for protocol in PROTOCOLS:
        async with open_caller(stack, protocol) as call:
            alone.append(_alone(protocol, await ask(call, images, calls, callers=1)))
    for protocol in PROTOCOLS:
        async with open_caller(stack, protocol) as call:
            callers = 2 * offline.batch
            await ask(call, images, callers, callers=callers)
            began = time.perf_counter()
            outcomes = await ask(call, images, 2 * calls, callers=callers)
            crowds.append(_crowd(protocol, callers, outcomes, time.perf_counter() - began, offline))
    return alone, crowds


def _alone(protocol: str, outcomes: Sequence[Outcome]) -> Alone:
    seconds = [o.seconds for o in outcomes]
    added = [o.seconds - o.engine for o in outcomes]
    times = (*(quantile(seconds, share) for share in (0.5, 0.9, 0.99)), quantile([o.engine for o in outcomes], 0.5))
    return Alone(protocol, *(_TO_MS * t for t in (*times, quantile(added, 0.5), quantile(added, 0.9))))


def _crowd(protocol: str, callers: int, outcomes: Sequence[Outcome], elapsed: float, offline: Offline) -> Crowd:
    done = [o for o in outcomes if not o.error]
    rate = len(done) / elapsed
    median = _TO_MS * quantile([o.seconds for o in done], 0.5)
    share = rate / offline.per_second
    return Crowd(protocol, callers, rate, share, median, mean_batch(done), len(outcomes) - len(done))


def _tell_alone(rows: Sequence[Alone]) -> str:
    headings = ("one caller, ms", "p50", "p90", "p99", "engine p50", "added p50", "added p90")
    cells = [
        (r.protocol, *(f"{v:.1f}" for v in (r.p50, r.p90, r.p99, r.engine_p50, r.added_p50, r.added_p90))) for r in rows
    ]
    return to_table(headings, cells)


def _tell_crowds(rows: Sequence[Crowd]) -> str:
    headings = ("many callers", "callers", "per s", "of the engine's", "p50 ms", "mean batch", "errors")
    cells = [
        (
            r.protocol,
            str(r.callers),
            f"{r.per_second:.1f}",
            f"{r.share:.0%}",
            f"{r.p50:.0f}",
            f"{r.mean_batch:.1f}",
            str(r.errors),
        )
        for r in rows
    ]
    return to_table(headings, cells)


if __name__ == "__main__":
    main()
