"""A run past the limit as a timeline: how soon callers heard, what became of them, what memory did."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .arrivals import Sent
from .calls import quantile
from .overload_report import ALLOWED_RATIO, REFUSED, OverloadReport

_SERVED, _REFUSED, _FAILED, _QUIET = "#2f6690", "#e3a33c", "#b3261e", "#777777"
_WINDOW = 10.0
"""Seconds over which a percentile is taken."""


def draw_run(report: OverloadReport, sent: Sequence[Sent], machine: str) -> bytes:
    """A PNG of three panels over the seconds of the run."""
    figure = Figure(figsize=(10.0, 7.6), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    times, calls, memory = figure.subplots(3, 1, sharex=True, height_ratios=(5, 3, 2))
    _draw_times(times, report, sent)
    _draw_calls(calls, report, sent)
    _draw_memory(memory, report)
    for axes in (times, calls, memory):
        axes.axvspan(report.plan.calm_seconds, report.plan.overload_ends, color="#f4efe6", zorder=0)
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper left")
    memory.set_xlabel("seconds")
    memory.set_xlim(0, report.plan.overload_ends + report.plan.recovery_seconds)
    figure.suptitle(
        f"Shaded: arrivals at {report.plan.overload / report.plan.capacity:.1f} times what the service can answer",
        fontsize=12,
    )
    figure.supxlabel(machine, fontsize=7, color=_QUIET, x=0.01, ha="left")
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _draw_times(axes: Axes, report: OverloadReport, sent: Sequence[Sent]) -> None:
    for name, colour, some in (
        ("served", _SERVED, [s for s in sent if not s.outcome.error]),
        ("refused", _REFUSED, [s for s in sent if s.outcome.error in REFUSED]),
        ("failed", _FAILED, [s for s in sent if s.outcome.error and s.outcome.error not in REFUSED]),
    ):
        if some:
            moments, waits = [s.moment for s in some], [1e3 * s.seconds for s in some]
            axes.scatter(moments, waits, s=5, color=colour, alpha=0.35, linewidths=0)
            starts = np.arange(0.0, max(moments) + 1e-9, _WINDOW)
            within = [[w for m, w in zip(moments, waits, strict=True) if b <= m < b + _WINDOW] for b in starts]
            line = [quantile(values, 0.99) for values in within]
            axes.plot(starts + _WINDOW / 2, line, color=colour, label=f"{name}: p99 of {_WINDOW:.0f} s")
    calm = report.phases[0].p99
    axes.axhline(calm, color=_QUIET, linewidth=0.9, label="p99 of the calm phase")
    axes.axhline(ALLOWED_RATIO * calm, color=_QUIET, linewidth=0.9, linestyle=(0, (5, 4)), label="twice that")
    axes.set(title="Time from the intended sending until a caller heard", ylabel="ms", yscale="log")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 4)  # room for the legend


def _draw_calls(axes: Axes, report: OverloadReport, sent: Sequence[Sent]) -> None:
    edges = np.arange(0.0, report.plan.overload_ends + report.plan.recovery_seconds + 5.0, 5.0)
    served = np.histogram([s.moment for s in sent if not s.outcome.error], edges)[0] / 5.0
    refused = np.histogram([s.moment for s in sent if s.outcome.error in REFUSED], edges)[0] / 5.0
    labels = ("served", "refused with a time to come back")
    axes.stackplot(edges[:-1] + 2.5, served, refused, labels=labels, colors=(_SERVED, _REFUSED), alpha=0.8)
    axes.axhline(report.plan.capacity, color=_QUIET, linewidth=0.9, label="capacity")
    axes.set(title="What became of the calls of each moment", ylabel="a second")
    axes.set_ylim(0, 1.35 * float((served + refused).max()))


def _draw_memory(axes: Axes, report: OverloadReport) -> None:
    seconds = [m.second for m in report.memory]
    axes.plot(seconds, [m.worker for m in report.memory], color=_SERVED, label="worker")
    axes.plot(seconds, [m.front_end for m in report.memory], color=_REFUSED, label="TorchServe's front end")
    axes.plot(seconds, [m.gateway for m in report.memory], color="#5b8c5a", label="gateway")
    axes.set(title="Resident memory", ylabel="MiB")
    axes.set_ylim(0, 1.4 * max(m.worker for m in report.memory))
