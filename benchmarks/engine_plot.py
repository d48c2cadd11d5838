"""What the engine does and takes, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from .engine import Rate, Report
    from .growth import Growth
    from .selection import Pair

_RUNTIMES = {
    "torch": "#8a8a8a",
    "torch-graph": "#2f6690",
    "onnxruntime": "#b3261e",
    "openvino": "#5b3f8c",
    "tensorrt": "#3a7d44",
}
_STYLES = {"float32": "-", "tfloat32": "--", "bfloat16": "--", "float16": ":"}
_INK = "#2f6690"


def draw(report: Report, model: str, machine: str) -> bytes:
    """A PNG: above the speed and the memory of every runtime, below how the fastest one's grow."""
    figure = Figure(figsize=(13.0, 7.4), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    (rates, speeds, peaks), (frames, findings, memory) = figure.subplots(2, 3)
    _draw_rates(rates, report)
    _draw_speeds(speeds, report)
    _draw_peaks(peaks, report)
    for axes, growth in zip((frames, findings), report.growths, strict=False):
        _draw_growth(axes, growth)
    _draw_memory(memory, report)
    for axes in (rates, speeds, peaks, frames, findings, memory):
        axes.set_axisbelow(True)
        axes.grid(color="#eeeeee", axis="x" if axes is peaks else "both")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{model}; below: {report.fastest}", fontsize=12, x=0.01, ha="left")
    figure.supxlabel(machine, fontsize=7, color="#777777", x=0.01, ha="left")
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _draw_rates(axes: Axes, report: Report) -> None:
    gap, free = 0.04 * max(r.per_second for r in report.rates), 0.0
    runs = [[r for r in report.rates if r.pair == pair] for pair in dict.fromkeys(r.pair for r in report.rates)]
    for own in runs:
        _draw_line(axes, own[0].pair, [r.batch for r in own], [r.per_second for r in own])
    for last in sorted((own[-1] for own in runs), key=_per_second):  # from below, each above the one before
        free = max(free, last.per_second)
        axes.annotate(
            f"{last.of_limit:.0%}", (last.batch, free), (6, -3), textcoords="offset points", fontsize=8,
            color=_RUNTIMES.get(last.pair.runtime),
        )  # fmt: skip
        free += gap
    _mark_doublings(axes, sorted({r.batch for r in report.rates}))
    axes.set_title("Rows a second (share of the limit)", fontsize=11)
    axes.set(xlabel="rows in a call", ylim=(0, None))
    axes.margins(x=0.12)


def _per_second(rate: Rate) -> float:
    return rate.per_second


def _draw_speeds(axes: Axes, report: Report) -> None:
    for pair in dict.fromkeys(t.pair for t in report.throughputs):
        own = [t for t in report.throughputs if t.pair == pair]
        _draw_line(axes, pair, [t.orders for t in own], [t.per_second for t in own])
    _mark_doublings(axes, sorted({t.orders for t in report.throughputs}))
    axes.set_title("Explanations a second", fontsize=11)
    axes.set(xlabel="orders in a call", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _draw_line(axes: Axes, pair: Pair, xs: Sequence[float], ys: Sequence[float]) -> None:
    colour, style = _RUNTIMES.get(pair.runtime, "#444444"), _STYLES.get(pair.precision, "-.")
    axes.plot(xs, ys, style, color=colour, marker=".", label=str(pair))


def _mark_doublings(axes: Axes, counts: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, list(map(str, counts)))
    axes.minorticks_off()


def _draw_peaks(axes: Axes, report: Report) -> None:
    names = [f"{pair.runtime}\n{pair.precision}" for pair, _ in report.peaks]
    colours = [_RUNTIMES.get(pair.runtime, "#444444") for pair, _ in report.peaks]
    bars = axes.barh(names, [peak for _, peak in report.peaks], 0.55, color=colours)
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_title("Memory at most, MiB", fontsize=11)
    axes.margins(x=0.15)


def _draw_growth(axes: Axes, growth: Growth) -> None:
    line, ends = growth.line, (0, max(growth.counts))
    axes.plot(ends, [line.intercept + line.slope * x for x in ends], color="#bbbbbb", linewidth=1.2)
    axes.plot(growth.counts, growth.milliseconds, "o", color=_INK, markersize=5)
    words = f"{line.slope:.3g} ms each\n{line.intercept:.3g} ms besides\nR² = {line.r2:.4f}"
    axes.annotate(words, (0.05, 0.95), xycoords="axes fraction", va="top", fontsize=9)
    axes.set_title(f"Time by {growth.of}, ms", fontsize=11)
    axes.set(xlabel=growth.of, xlim=(0, None), ylim=(0, None))


def _draw_memory(axes: Axes, report: Report) -> None:
    times = [m.rows / m.budget for m in report.memories]
    axes.plot(times, [m.total for m in report.memories], color="#bbbbbb", marker=".", label="with the result")
    axes.plot(times, [m.working for m in report.memories], color=_INK, marker="o", label="at work")
    axes.set_title("Memory by rows wanted, MiB", fontsize=11)
    axes.set(xlabel="times the row budget", ylim=(0, 1.25 * max((m.total for m in report.memories), default=1.0)))
    axes.set_xticks(times, [f"{t:.0f}" for t in times])
    axes.legend(frameon=False, fontsize=8, loc="lower right")
