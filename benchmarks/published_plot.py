"""The comparison with the published package as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from .published import Summary
    from .rows import RowTimes

_SAME, _DEFAULT, _THEIRS, _LIMIT = "#2f6690", "#81b1d5", "#c9c9c9", "#b3261e"
_HEIGHT = 0.36


def draw_bars(summaries: Sequence[Summary], rows: Sequence[RowTimes], machine: str) -> bytes:
    """A PNG: how many times as fast each runtime is, and the milliseconds of a row of it."""
    height = 1.9 + 0.62 * len(rows)
    figure = Figure(figsize=(10.0, height), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    speed, row = figure.subplots(1, 2)
    _draw_speed(speed, summaries)
    _draw_rows(row, rows)
    for axes in (speed, row):
        axes.invert_yaxis()
        axes.set_axisbelow(True)
        axes.grid(axis="x", color="#eeeeee")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.margins(x=0.12)
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.42 / height), ncols=3)
    figure.supxlabel(machine, fontsize=7, color="#777777", x=0.01, ha="left")
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _draw_speed(axes: Axes, summaries: Sequence[Summary]) -> None:
    places = range(len(summaries))
    for shift, colour, label, values in (
        (-0.5, _SAME, "over the same λs", [s.same_grid for s in summaries]),
        (0.5, _DEFAULT, "default profile", [s.default for s in summaries]),
    ):
        bars = axes.barh([p + shift * _HEIGHT for p in places], values, _HEIGHT, color=colour, label=label)
        axes.bar_label(bars, [f"{value:.1f}×" for value in values], padding=3, fontsize=8)
    axes.axvline(1.0, color="#444444", linewidth=0.9, linestyle=(0, (5, 4)))
    axes.set_yticks(list(places), [f"{s.pair.runtime}\n{s.pair.precision}" for s in summaries], fontsize=9)
    axes.set_title("One explanation: times as fast as latentshift 0.0.6", fontsize=11)


def _draw_rows(axes: Axes, rows: Sequence[RowTimes]) -> None:
    places = range(len(rows))
    for shift, colour, label, values in (
        (-0.5, _THEIRS, "the published way", [r.eager_probe for r in rows]),
        (0.5, _SAME, "this runtime", [r.probe for r in rows]),
    ):
        bars = axes.barh([p + shift * _HEIGHT for p in places], values, _HEIGHT, color=colour, label=label)
        axes.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
    for place, r in zip(places, rows, strict=True):
        label = "" if place else "limit: a matrix product's rate"
        axes.plot([r.limit, r.limit], [place, place + _HEIGHT], color=_LIMIT, linewidth=2.0, label=label)
    axes.set_yticks(list(places), [""] * len(rows))
    axes.set_title("One decoded and classified row, ms", fontsize=11)
