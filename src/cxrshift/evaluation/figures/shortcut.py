"""Energy on the device under a classifier that reads it and one that does not: distributions, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from ..maps import LATENT_SHIFT
from ..shortcut_classifiers import World
from ..shortcut_report import ShortcutReport
from ..shortcut_study import Example
from .canvas import INK, MUTED, RULE, lay_heatmap, new_figure, show_radiograph, tidy, to_png
from .methods import NAMES

_COLOURS: Final = {World.CLEAN: "#2f6690", World.SHORTCUT: "#b3261e"}
_WORDS: Final = {World.CLEAN: "trained on clean data", World.SHORTCUT: "trained where the device marks the finding"}
_OFFSET: Final = 0.2
"""Distance of a world's strip from the method's line, where methods are 1 apart."""


def draw_shortcut(report: ShortcutReport, examples: Sequence[Example]) -> bytes:
    """A PNG: for each method every picture's share under both classifiers; below, the maps of some pictures."""
    heights = [1.5 + 0.85 * len(report.methods)] + [2.5 * len(examples)] * bool(examples)
    figure = new_figure(11.0, sum(heights))
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
    above = parts[0, 0]
    _draw_strips(above.subplots(), report)
    above.suptitle(
        f"{report.model} {report.version}: does the map tell a classifier that reads the device from one that reads "
        f"{report.finding}?\n{len(report.shares(LATENT_SHIFT, World.CLEAN))} pictures with both, the same for both "
        f"classifiers; grey line: a map that knows nothing",
        fontsize=10,
        color=INK,
    )
    if examples:
        _draw_examples(parts[1, 0], examples)
    return to_png(figure)


def _draw_strips(axes: Axes, report: ShortcutReport) -> None:
    jitter = np.random.default_rng(0)
    for place, row in enumerate(report.methods):
        axes.axhline(place + 0.5, color=RULE, linewidth=0.8, zorder=0)
        for world, found in ((World.CLEAN, row.clean), (World.SHORTCUT, row.shortcut)):
            y = place + (_OFFSET if world is World.SHORTCUT else -_OFFSET)
            shares = report.shares(row.method, world)
            heights = y + jitter.uniform(-0.11, 0.11, len(shares))
            axes.scatter(shares, heights, s=9, color=_COLOURS[world], alpha=0.45, linewidths=0, zorder=3)
            axes.plot([found.value] * 2, [y - 0.16, y + 0.16], color=INK, linewidth=2.0, zorder=4)
        axes.annotate(
            f"AUROC {row.auroc.value:.3f}\n{row.auroc.low:.3f} to {row.auroc.high:.3f}",
            (1.0, place),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
            va="center",
        )
    axes.axvline(report.area, color=MUTED, linewidth=1.0, zorder=1)
    axes.set_yticks(range(len(report.methods)), [NAMES[row.method] for row in report.methods])
    axes.set_ylim(len(report.methods) - 0.5, -0.5)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("share of the map's energy on the device (black: mean)", fontsize=9)
    tidy(axes)
    axes.tick_params(axis="y", length=0)
    marks = [
        Line2D([], [], color=_COLOURS[w], marker="o", markersize=5, linestyle="none", label=_WORDS[w]) for w in World
    ]
    axes.legend(
        handles=marks, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(marks), fontsize=8.5, frameon=False
    )


def _draw_examples(figure: SubFigure, examples: Sequence[Example]) -> None:
    """Each radiograph with its device outlined, then each shown method under both classifiers."""
    methods = [m for m in (LATENT_SHIFT, "input-gradient") if m in examples[0].maps[World.CLEAN]]
    panels = [(method, world) for method in methods for world in World]
    grid = figure.subplots(len(examples), 1 + len(panels), squeeze=False)
    for axes, example in zip(grid, examples, strict=True):
        show_radiograph(axes[0], example.radiograph, example.device)
        axes[0].contour(example.finding.astype(np.float32), [0.5], colors="#ffd166", linewidths=1.1)
        axes[0].set_title("blue: device\nyellow: finding", fontsize=8, color=INK)
        for one, (method, world) in zip(axes[1:], panels, strict=True):
            show_radiograph(one, example.radiograph, example.device)
            lay_heatmap(one, example.maps[world][method])
            words = f"{NAMES[method]}, {world}\n{example.shares[world][method]:.0%} on the device"
            one.set_title(words, fontsize=8, color=_COLOURS[world])
