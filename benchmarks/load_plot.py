"""The saturation curve as a picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from .load import Point

_COLOURS = {"grpc": "#2f6690", "rest": "#b3261e"}
_LABEL_PLACES = {"grpc": (-26, 7), "rest": (5, -13)}


def draw_curves(curves: Sequence[Sequence[Point]], bound: float, machine: str) -> bytes:
    """A PNG: times against the rate of arrivals, and what came of them."""
    figure = Figure(figsize=(10.0, 4.6), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    times, answers = figure.subplots(1, 2)
    for curve in curves:
        _draw_times(times, curve)
        _draw_answers(answers, curve)
    times.axhline(bound, color="#444444", linewidth=0.9, linestyle=(0, (5, 4)))
    times.annotate(f"bound {bound:.0f} ms", (0.01, bound), (0, 3), ("axes fraction", "data"), "offset points")
    times.set(title="Time from the intended sending", xlabel="arrivals a second", ylabel="ms", yscale="log")
    ceiling = max(p.rate for curve in curves for p in curve)
    answers.plot([0, ceiling], [0, ceiling], color="#bbbbbb", linewidth=0.8, label="all answered")
    answers.set_title("Answers a second; the networks' share of the time", fontsize=11)
    answers.set(xlabel="arrivals a second", xlim=(0, None), ylim=(0, None))
    for axes in (times, answers):
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.supxlabel(machine, fontsize=7, color="#777777", x=0.01, ha="left")
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _draw_times(axes: Axes, curve: Sequence[Point]) -> None:
    rates, colour = [p.rate for p in curve], _COLOURS[curve[0].protocol]
    for name, style in (("p50", ":"), ("p90", "--"), ("p99", "-")):
        values = [getattr(p, name) for p in curve]
        shown = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(rates, shown, style, color=colour, marker=".", label=f"{curve[0].protocol} {name}")


def _draw_answers(axes: Axes, curve: Sequence[Point]) -> None:
    colour, protocol = _COLOURS[curve[0].protocol], curve[0].protocol
    axes.plot([p.rate for p in curve], [p.answered for p in curve], color=colour, marker=".", label=protocol)
    last = -math.inf
    for p in curve:
        if p.rate - last > 0.1 * curve[-1].rate:  # apart enough to be read
            words, place = f"{p.engine_share:.0%}", _LABEL_PLACES[protocol]
            axes.annotate(words, (p.rate, p.answered), place, textcoords="offset points", color=colour)
            last = p.rate
