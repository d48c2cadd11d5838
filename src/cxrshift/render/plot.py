"""How every finding's score moves along the shift, as a plot."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrshift_api.types import Explanation, Side

from .canvas import STOPS, say_finding, say_lambda, say_score

_ACCENT = "#b3261e"
_OTHERS = ("#2f6690", "#3a7d44", "#8a6d1d", "#6b4c9a", "#3d7a7a", "#8c564b")
_MUTED = "#8a8f98"
_PAPER = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
"""Under words that curves may cross."""
_LABEL_GAP = 0.052
"""Smallest distance between two names beside the plot, in score."""
_MOVES = 0.15
"""A finding whose score moves by less stays an unnamed thin line once there are many of them."""


def render_score_curve(explanation: Explanation) -> bytes:
    """A PNG of every finding's score against λ: the explained one bold, its operating point, why each side stops.

    The sides of a search can differ a hundredfold in length, so each has a scale of its own, linear and with λ = 0 in
    the middle.
    """
    figure = Figure(figsize=(8.0, 4.8), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    xs = _positions(explanation.lambdas)
    _draw_curves(axes, explanation, xs)
    _draw_operating_point(axes, explanation)
    _draw_stops(axes, explanation)
    _set_axes(axes, explanation)
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _positions(lambdas: NDArray[np.float32]) -> NDArray[np.float64]:
    """(R,) λs to places in [−1, 1]: each side divided by its own length."""
    below, above = _limits(lambdas)
    return np.where(lambdas < 0, lambdas / (-below or 1.0), lambdas / (above or 1.0)).astype(np.float64)


def _limits(lambdas: NDArray[np.float32]) -> tuple[float, float]:
    """The lengths of the two sides: the most negative λ and the most positive, 0 where there is none."""
    return min(float(lambdas.min()), 0.0), max(float(lambdas.max()), 0.0)


def _draw_curves(axes: Axes, explanation: Explanation, xs: NDArray[np.float64]) -> None:
    own = explanation.findings.index(explanation.finding)
    named = _named(explanation, own)
    colours = iter(_OTHERS)
    labels: list[tuple[float, str, str, bool]] = []
    for column, finding in enumerate(explanation.findings):
        curve = explanation.scores[:, column]
        if column == own:
            axes.plot(xs, curve, color=_ACCENT, linewidth=2.6, marker="o", markersize=4.5, zorder=5)
            labels.append((float(curve[-1]), say_finding(finding), _ACCENT, True))
        elif column in named:
            colour = next(colours)
            axes.plot(xs, curve, color=colour, linewidth=1.2, alpha=0.9, zorder=3)
            labels.append((float(curve[-1]), say_finding(finding), colour, False))
        else:
            axes.plot(xs, curve, color=_MUTED, linewidth=0.7, alpha=0.5, zorder=2)
    own_score = float(explanation.radiograph_scores[own])
    axes.plot([0.0], [own_score], marker="D", markersize=7, color="white", markeredgecolor=_ACCENT, zorder=6)
    _name_radiograph(axes, own_score, above=own_score >= explanation.score)
    for (_, name, colour, bold), y in zip(labels, spread([label[0] for label in labels], _LABEL_GAP), strict=True):
        weight = "bold" if bold else "normal"
        axes.annotate(
            name, (xs[-1], y), (8, 0), textcoords="offset points", color=colour, fontsize=9, weight=weight, va="center"
        )


def _name_radiograph(axes: Axes, score: float, *, above: bool) -> None:
    """Write on the side that a rising curve leaves free: left of it above, right of it below."""
    offset, align = ((-9, 5), "right") if above else ((9, -11), "left")
    words = f"radiograph {say_score(score)}"
    axes.annotate(words, (0.0, score), offset, textcoords="offset points", fontsize=8, ha=align, bbox=_PAPER, zorder=7)


def _named(explanation: Explanation, own: int) -> set[int]:
    """Columns that get a colour and a name: all of a few findings, of many those that move or score the most."""
    curves = explanation.scores
    others = [column for column in range(curves.shape[1]) if column != own]
    if len(others) <= len(_OTHERS):
        return set(others)
    moves = np.ptp(curves, axis=0)
    ranked = sorted(others, key=lambda column: float(moves[column]), reverse=True)
    return {column for column in ranked[: len(_OTHERS)] if moves[column] >= _MOVES}


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Heights near those ``wanted``, in their order, no two nearer than ``gap``: labels that do not collide.

    ``wanted`` and ``gap`` are in units of one axis. Neighbours that are too near form a block centred on the mean of
    what they want; blocks that meet become one.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[list[int]] = []
    for i in order:
        blocks.append([i])
        while len(blocks) > 1 and _lowest(blocks[-1], wanted, gap) - _highest(blocks[-2], wanted, gap) < gap:
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    placed = [0.0] * len(wanted)
    for block in blocks:
        lowest = _lowest(block, wanted, gap)
        for place, i in enumerate(block):
            placed[i] = lowest + gap * place
    return placed


def _lowest(block: Sequence[int], wanted: Sequence[float], gap: float) -> float:
    return sum(wanted[i] for i in block) / len(block) - gap * (len(block) - 1) / 2.0


def _highest(block: Sequence[int], wanted: Sequence[float], gap: float) -> float:
    return _lowest(block, wanted, gap) + gap * (len(block) - 1)


def _draw_operating_point(axes: Axes, explanation: Explanation) -> None:
    point = explanation.operating_point
    axes.axhline(point, color="#444444", linewidth=0.9, linestyle=(0, (5, 4)), zorder=1)
    place, words = (0.005, point), f"operating point {say_score(point)}"
    axes.annotate(
        words,
        place,
        (2, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=8,
        color="#444444",
        bbox=_PAPER,
        zorder=6,
    )


def _draw_stops(axes: Axes, explanation: Explanation) -> None:
    """Under each end of the curve, why the search went no further."""
    below, above = _limits(explanation.lambdas)
    for side, limit, place, align in (
        (explanation.below, below, 0.0, "left"),
        (explanation.above, above, 1.0, "right"),
    ):
        if limit:
            axes.text(
                place, 1.02, _say_stop(side, limit), transform=axes.transAxes, ha=align, fontsize=8, color="#444444"
            )


def _say_stop(side: Side, limit: float) -> str:
    word = "curtailed" if limit < 0 else "exaggerated"
    return f"{word} to λ {say_lambda(limit)}: {STOPS[side.stop]}"


def _set_axes(axes: Axes, explanation: Explanation) -> None:
    below, above = _limits(explanation.lambdas)
    ticks = [*((-1.0, -0.5) if below else ()), 0.0, *((0.5, 1.0) if above else ())]
    axes.set_xticks(ticks, [say_lambda(-t * below if t < 0 else t * above) for t in ticks])
    uneven = bool(below and above) and abs(below + above) > 0.02 * (above - below)
    own_scales = " (each side on its own scale)" if uneven else ""
    axes.set_xlabel(f"shift λ along the latent gradient, in the model's unit{own_scales}")
    axes.set_ylabel("score")
    axes.set_ylim(-0.02, 1.02)
    axes.margins(x=0.02)
    axes.axvline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.grid(axis="y", color="#eeeeee", zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{say_finding(explanation.finding)}: scores along the shift", fontsize=11, weight="bold", pad=20)
    axes.figure.supxlabel(explanation.notice, fontsize=8, color="#777777", x=0.01, ha="left")
