"""What the engine does in a second and what it takes: ``python -m benchmarks.engine --out DIR``.

Rows a second by batch, runtime and precision, and how much that is of what a measured matrix product implies;
explanations a second by orders in a call; the most memory at once. In the fastest runtime also how time grows with
frames and with findings, and that memory does not grow with the rows that wait for the row budget.

Writes engine.json and engine.png. ``--model xrv`` measures torchxrayvision's architectures with random weights.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from cxrshift.core.engine import ROW_BUDGET, Engine
from cxrshift.core.model import Model
from cxrshift.core.passes import Passes
from cxrshift.core.preprocess import prepare
from cxrshift.core.runtime import Shapes

from .engine_plot import draw
from .growth import Growth, grow_findings, grow_frames
from .memory import Job, measure_peak
from .orders import explain, load, make_orders
from .reporting import describe_machine, say_machine, to_table, write_json
from .selection import Pair, add_selection, build, open_cache, select
from .timing import Call, Product, count_flops, in_turns, median_ratio

_ORDERS = {"cpu": (1, 2, 4, 8), "cuda": (1, 8, 32, 64)}
"""Orders in a call, by device."""
_BUDGETS = (1, 4, 16)


@dataclass(frozen=True)
class Rate:
    """Decoded and classified rows in calls of ``batch`` rows."""

    pair: Pair
    batch: int
    per_second: float
    of_limit: float
    """The share of the operations a second of a matrix product measured in the same turns."""


@dataclass(frozen=True)
class Throughput:
    """Explanations in calls of ``orders`` orders, by the default profile, one finding each."""

    pair: Pair
    orders: int
    per_second: float


@dataclass(frozen=True)
class Memory:
    """The most in use at once, in MiB, while ``rows`` rows are wanted and ``budget`` may be in flight."""

    pair: Pair
    budget: int
    rows: int
    total: float
    working: float
    """All but the explanations themselves."""


@dataclass(frozen=True)
class Report:
    """All that was measured."""

    rates: tuple[Rate, ...]
    throughputs: tuple[Throughput, ...]
    peaks: tuple[tuple[Pair, float], ...]
    """MiB of each while the most orders are explained."""
    growths: tuple[Growth, ...]
    memories: tuple[Memory, ...]
    fastest: Pair
    """That of ``growths`` and ``memories``."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    given = _parse(arguments)
    pairs, machine = select(given), describe_machine()
    print(say_machine(machine), flush=True)
    with open_cache(given) as cache:
        report = measure(given, pairs, cache)
    print("", *tell(report), sep="\n\n")
    if given.out:
        results = {"model": given.model, "device": given.device, "threads": torch.get_num_threads()}
        write_json(given.out / "engine.json", machine, results | asdict(report))
        (given.out / "engine.png").write_bytes(draw(report, given.model, say_machine(machine)))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    add_selection(parser)
    parser.add_argument("--model", default="phantom", help="name of an installed model, or xrv")
    parser.add_argument("--batch", type=int, action="append", help="rows in a call of the probe; repeatable")
    parser.add_argument("--repeats", type=int, default=7, help="of everything that is timed")
    parser.add_argument("--row-budget", type=int, default=32, help="rows in flight, where memory is watched")
    parser.add_argument("--out", type=Path, help="folder for engine.json and engine.png")
    return parser.parse_args(arguments)


def measure(given: argparse.Namespace, pairs: Sequence[Pair], cache: Path) -> Report:
    """Everything, one runtime after the other."""
    model = load(given.model, given.device)
    batches = given.batch or ((1, 2, 4, 8) if given.device == "cpu" else (1, 2, 4, 8, 16, 32, 64, 128))
    counts = _ORDERS["cpu" if given.device == "cpu" else "cuda"]
    rates: list[Rate] = []
    throughputs: list[Throughput] = []
    for pair in pairs:
        rates += measure_rates(model, pair, batches, given.repeats, cache)
        ready = build(model, pair, cache=cache)
        if ready is not None:
            throughputs += measure_throughput(ready, pair, counts, given.repeats)
        print(f"{pair}: speed measured", flush=True)
    if not rates or not throughputs:
        raise SystemExit("No runtime that was asked for runs this model.")
    fastest = max(throughputs, key=lambda t: t.per_second).pair
    growths = measure_growth(model, fastest, given.repeats, cache)
    print(f"{fastest}: growth measured", flush=True)

    def job(pair: Pair, orders: int, frames: int | None = None) -> Job:
        budget = ROW_BUDGET if frames is None else given.row_budget
        return Job(given.model, pair, given.device, torch.get_num_threads(), cache, orders, frames, budget)

    measured = ((pair, measure_peak(job(pair, counts[-1]))) for pair in dict.fromkeys(t.pair for t in throughputs))
    peaks = tuple((pair, peak.total) for pair, peak in measured if peak)
    memories = tuple(
        Memory(fastest, given.row_budget, times * given.row_budget, peak.total, peak.working)
        for times in _BUDGETS
        # λ = 0 takes no row.
        if (peak := measure_peak(job(fastest, times, frames=given.row_budget + 1), exact=True))
    )
    return Report(tuple(rates), tuple(throughputs), peaks, growths, memories, fastest)


def measure_rates(model: Model, pair: Pair, batches: Sequence[int], repeats: int, cache: Path) -> list[Rate]:
    """The probe's rate in calls of exactly so many rows, all in turns; none where the runtime cannot run the model."""
    product = Product(pair.precision, model.device)
    (order,) = make_orders(model.spec, 1)
    image = prepare(order.radiograph, model.spec)[None]
    calls, latent = {"product": product.prepare()}, Passes(model).encode(image)
    for batch in batches:
        if ready := build(model, pair, shapes=Shapes(probe=batch), cache=cache):
            calls[str(batch)] = _probe(Passes(ready), latent, batch)
    with torch.no_grad():
        flops = count_flops(lambda: model.networks.score(model.networks.decode(latent)))
    for call in calls.values():
        call()
    seconds = in_turns(calls, repeats, model.device)
    limits = [s / product.flops for s in seconds.pop("product")]
    return [
        Rate(pair, batch, batch / statistics.median(taken), batch * flops * median_ratio(limits, taken))
        for batch, taken in ((int(name), taken) for name, taken in seconds.items())
    ]


def _probe(passes: Passes, latent: Tensor, batch: int) -> Call:
    latents = latent.expand(batch, *latent.shape[1:]).contiguous()
    return lambda: passes.probe(latents)


def measure_throughput(model: Model, pair: Pair, counts: Sequence[int], repeats: int) -> list[Throughput]:
    """Whole explanations, in calls of several sizes in turns."""
    engine = Engine(model)
    orders = make_orders(model.spec, max(counts))
    explain(engine, orders[:1])
    calls = {str(count): lambda count=count: explain(engine, orders[:count]) for count in counts}
    seconds = in_turns(calls, repeats, model.device)
    return [Throughput(pair, count, count / statistics.median(seconds[str(count)])) for count in counts]


def measure_growth(model: Model, pair: Pair, repeats: int, cache: Path) -> tuple[Growth, ...]:
    """With frames and with findings, in one runtime."""
    ready = build(model, pair, cache=cache)
    if ready is None:
        return ()
    engine, width = Engine(ready), Passes(ready).shapes.probe
    return grow_frames(engine, width, repeats), grow_findings(engine, width, repeats)


def tell(report: Report) -> list[str]:
    """Tables."""
    batches = sorted({r.batch for r in report.rates})
    counts = sorted({t.orders for t in report.throughputs})
    pairs = list(dict.fromkeys(r.pair for r in report.rates))
    rates = {(r.pair, r.batch): f"{r.per_second:.1f} ({r.of_limit:.0%})" for r in report.rates}
    speeds = {(t.pair, t.orders): f"{t.per_second:.2f}" for t in report.throughputs}
    peaks = {pair: f"{peak:.0f}" for pair, peak in report.peaks}
    return [
        to_table(
            ("rows a second (of the limit) by batch", *map(str, batches)),
            [(str(pair), *(rates.get((pair, batch), "–") for batch in batches)) for pair in pairs],
        ),
        to_table(
            ("explanations a second by orders in a call", *map(str, counts), "MiB at most"),
            [
                (str(pair), *(speeds.get((pair, count), "–") for count in counts), peaks.get(pair, "–"))
                for pair in pairs
            ],
        ),
        f"{report.fastest}:\n"
        + to_table(
            ("time by", *("counts", "ms of the fewest", "ms of the most", "ms each", "ms besides", "R²")),
            [
                (
                    *(g.of, ", ".join(map(str, g.counts)), f"{g.milliseconds[0]:.1f}", f"{g.milliseconds[-1]:.1f}"),
                    *(f"{g.line.slope:.2f}", f"{g.line.intercept:.1f}", f"{g.line.r2:.4f}"),
                )
                for g in report.growths
            ],
        ),
        to_table(
            ("rows wanted", "of the budget", "MiB at most", "without the result"),
            [
                (str(m.rows), f"{m.rows / m.budget:.0f} ×", f"{m.total:.1f}", f"{m.working:.1f}")
                for m in report.memories
            ],
        ),
    ]


if __name__ == "__main__":
    main()
