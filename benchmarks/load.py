"""How much the running stack bears: ``python -m benchmarks.load --out DIR``.

Requests arrive as those of many callers who know nothing of each other do: at moments of a Poisson process, whether or
not earlier ones are answered. Each is timed from the moment at which it should have been sent, so that a stall counts
for all whom it kept waiting (no coordinated omission). A request that fails counts as one never answered.

Writes load.json and load.png: the saturation curve, and the highest rate whose 99th percentile stays within the bound.
With ``--soak N`` it makes N requests in a row instead and watches the memory of worker and gateway (soak.json).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig

from .arrivals import Sent, plan_arrivals, send_planned
from .calls import PROTOCOLS, Caller, ask, mean_batch, open_caller, phantom_pngs, quantile
from .load_plot import draw_curves
from .reporting import describe_machine, say_machine, to_table, write_json
from .soak import soak

_SHARES = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2)
"""Of the rate that closed-loop callers reach, at which the curve is measured."""
_WARM_UP = 10


@dataclass(frozen=True)
class Point:
    """One rate of arrivals, kept up for a while. Times are milliseconds from the intended sending."""

    protocol: str
    rate: float
    """Arrivals a second that were intended."""
    requests: int
    answered: float
    """Answers a second."""
    p50: float
    p90: float
    p99: float
    error_share: float
    errors: dict[str, int]
    batches: dict[int, int]
    """Batch size -> requests that were in such a batch."""
    mean_batch: float
    engine_share: float
    """Share of the time in which the networks ran."""
    late_p99: float
    """How late the load generator itself sent, at most, in 99 of 100 cases."""

    def holds(self, bound: float) -> bool:
        """Whether 99 of 100 requests were answered within ``bound`` ms."""
        return self.p99 <= bound


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    given = _parse(arguments)
    machine, images = describe_machine(), phantom_pngs(64)
    print(say_machine(machine), flush=True)
    with Stack(StackConfig(models=(find_model(given.model),))) as stack:
        if given.soak:
            report = asyncio.run(soak(stack, images, given.soak))
            print(report.tell())
            write_json(given.out / "soak.json", machine, {"model": given.model, **asdict(report)})
            return
        curves = asyncio.run(_measure(stack, images, given.protocol or PROTOCOLS, given.bound, given.seconds))
    print(_tell(curves, given.bound))
    best = {curve[0].protocol: best_rate(curve, given.bound) for curve in curves}
    points = [asdict(point) for curve in curves for point in curve]
    results = {"model": given.model, "bound_ms": given.bound, "highest_rate": best, "points": points}
    write_json(given.out / "load.json", machine, results)
    (given.out / "load.png").write_bytes(draw_curves(curves, given.bound, say_machine(machine)))
    print(f"\nwritten to {given.out}: load.json, load.png")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/load"), help="folder for what is written")
    parser.add_argument("--model", default="phantom", help="name of an installed model with the phantom's findings")
    parser.add_argument("--bound", type=float, default=1000.0, metavar="MS", help="the 99th percentile's limit")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each rate is kept up")
    parser.add_argument("--protocol", action="append", choices=PROTOCOLS, help="one of the two; both if not given")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="N requests in a row instead; watch memory")
    return parser.parse_args(arguments)


async def _measure(
    stack: Stack, images: Sequence[bytes], protocols: Sequence[str], bound: float, seconds: float
) -> list[list[Point]]:
    curves = []
    for protocol in protocols:
        async with open_caller(stack, protocol) as call:
            await ask(call, images, _WARM_UP, callers=1)
            limit = await _closed_loop_rate(call, images)
            shares = [await _keep_up(call, images, protocol, share * limit, seconds) for share in _SHARES]
            curves.append(sorted([*shares, *await _refine(call, images, shares, bound, seconds)], key=_rate))
    return curves


async def _closed_loop_rate(call: Caller, images: Sequence[bytes]) -> float:
    """Answers a second to callers of whom 16 always wait: about the most that there can be."""
    await ask(call, images, 16, callers=16)
    began = time.perf_counter()
    await ask(call, images, 64, callers=16)
    return 64 / (time.perf_counter() - began)


async def _refine(
    call: Caller, images: Sequence[bytes], known: Sequence[Point], bound: float, seconds: float, *, steps: int = 3
) -> list[Point]:
    """Points that halve, ``steps`` times, the gap between the highest rate that holds and the next above it."""
    points: list[Point] = []
    for _ in range(steps):
        low = best_rate([*known, *points], bound)
        above = [p.rate for p in (*known, *points) if p.rate > low]
        if not above:
            break
        points.append(await _keep_up(call, images, known[0].protocol, (low + min(above)) / 2, seconds))
    return points


async def _keep_up(call: Caller, images: Sequence[bytes], protocol: str, rate: float, seconds: float) -> Point:
    """Send at ``rate`` for ``seconds`` and wait for every answer."""
    began = time.perf_counter()
    sent = await send_planned([call], images, plan_arrivals(rate, seconds))
    return to_point(protocol, rate, sent, time.perf_counter() - began)


def to_point(protocol: str, rate: float, sent: Sequence[Sent], elapsed: float) -> Point:
    """What ``sent``, over within ``elapsed`` seconds, says of one rate."""
    done = [s.outcome for s in sent if not s.outcome.error]
    times = [1e3 * s.seconds if not s.outcome.error else math.inf for s in sent]
    return Point(
        protocol=protocol,
        rate=rate,
        requests=len(sent),
        answered=len(done) / elapsed,
        p50=quantile(times, 0.5),
        p90=quantile(times, 0.9),
        p99=quantile(times, 0.99),
        error_share=1.0 - len(done) / len(sent),
        errors=dict(Counter(s.outcome.error for s in sent if s.outcome.error)),
        batches=dict(sorted(Counter(o.batch for o in done).items())),
        mean_batch=mean_batch(done),
        engine_share=sum(o.engine / o.batch for o in done) / elapsed,
        late_p99=1e3 * quantile([s.late for s in sent], 0.99),
    )


def best_rate(points: Sequence[Point], bound: float) -> float:
    """The highest rate that holds and below which every other holds too; 0 where even the lowest does not."""
    best = 0.0
    for point in sorted(points, key=_rate):
        if not point.holds(bound):
            break
        best = point.rate
    return best


def _rate(point: Point) -> float:
    return point.rate


def _tell(curves: Sequence[Sequence[Point]], bound: float) -> str:
    headings = (
        *("from the intended sending", "per s", "answered", "p50 ms", "p90 ms", "p99 ms"),
        *("errors", "mean batch", "engine at work", "requests"),
    )
    rows = [
        (
            *(p.protocol, f"{p.rate:.1f}", f"{p.answered:.1f}", f"{p.p50:.0f}", f"{p.p90:.0f}", f"{p.p99:.0f}"),
            *(f"{p.error_share:.1%}", f"{p.mean_batch:.1f}", f"{p.engine_share:.0%}", str(p.requests)),
        )
        for curve in curves
        for p in curve
    ]
    best = [f"{c[0].protocol}: {best_rate(c, bound):.1f} a second within {bound:.0f} ms at p99" for c in curves]
    return "\n".join([to_table(headings, rows), "", *best])


if __name__ == "__main__":
    main()
