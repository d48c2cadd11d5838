"""Deletion and insertion curves, and what randomised weights leave of each map."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..faithfulness_report import OTHER_RADIOGRAPH, FaithfulnessReport
from ..localisation_report import RANDOM
from ..maps import METHODS
from ..perturbation import SHARES
from .canvas import INK, MUTED, new_figure, tidy, to_png
from .methods import COLOURS, NAMES


def draw_curves(report: FaithfulnessReport) -> bytes:
    """A PNG: mean score against the share of pixels deleted, and inserted, for each method."""
    figure = new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    for curve in report.curves:
        colour = COLOURS[curve.method]
        style = {"color": colour, "linestyle": ":" if curve.method == RANDOM else "-", "marker": "o", "markersize": 2.5}
        name = NAMES[curve.method]
        for axes, scores, area in (
            (left, curve.deletion, curve.deletion_area),
            (right, curve.insertion, curve.insertion_area),
        ):
            label = f"{name}: {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
            axes.plot(SHARES, scores, label=label, **style)
    for axes, words, better in ((left, "deleted", "lower"), (right, "inserted", "higher")):
        axes.set_xscale("function", functions=(np.sqrt, np.square))
        axes.set_xlim(0.0, 1.0)
        axes.set_xticks([0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0], ["0", "1%", "5%", "10%", "25%", "50%", "100%"])
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel(f"share of pixels {words}, the map's highest first", fontsize=9)
        axes.legend(title=f"area under the curve ({better} is better)", fontsize=7.5, title_fontsize=8, frameon=False)
        tidy(axes, grid="y")
    left.set_ylabel("mean score of the present finding", fontsize=9)
    figure.suptitle(
        f"{report.model} {report.version}: {report.source}, {report.baseline} baseline", fontsize=10, color=INK
    )
    return to_png(figure)


def draw_sanity(report: FaithfulnessReport) -> bytes:
    """A PNG: for each method how like the maps are before and after the classifier's weights are randomised."""
    figure = new_figure(10.0, 4.2)
    axes = figure.subplots()
    stages = list(dict.fromkeys(row.stage for row in report.sanity))
    methods = [method for method in METHODS if any(row.method == method for row in report.sanity)]
    width = 0.8 / max(len(methods), 1)
    for number, method in enumerate(methods):
        rows = [row for row in report.sanity if row.method == method]
        places = [stages.index(row.stage) + width * (number - (len(methods) - 1) / 2) for row in rows]
        values = np.array([row.correlation.value for row in rows])
        low, high = (np.array([getattr(row.correlation, end) for row in rows]) for end in ("low", "high"))
        axes.bar(places, values, 0.9 * width, color=COLOURS[method], label=NAMES[method], zorder=3)
        reach = np.clip([values - low, high - values], 0.0, None)
        axes.errorbar(places, values, yerr=reach, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2, zorder=4)
    _set_stages(axes, stages)
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="upper right")
    figure.suptitle(
        f"{report.model} {report.version}: maps of the trained and of a randomised classifier", fontsize=10, color=INK
    )
    return to_png(figure)


def _set_stages(axes: Axes, stages: list[str]) -> None:
    words = ["another\nradiograph" if s == OTHER_RADIOGRAPH else f"{s} of the weights\nrandomised" for s in stages]
    axes.set_xticks(range(len(stages)), words)
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-0.25, 1.05)
    axes.set_ylabel("rank correlation with the map as it was\n(1: nothing changed)", fontsize=9)
    tidy(axes, grid="y")
