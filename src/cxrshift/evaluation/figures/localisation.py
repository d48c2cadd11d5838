"""Overlap of maps and masks: intervals by finding and method, and examples to look at."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..localisation_report import ALL_FINDINGS, BASELINES, LocalisationReport, Row
from ..localisation_study import Example
from ..maps import METHODS
from .canvas import INK, RULE, lay_heatmap, new_figure, show_radiograph, tidy, to_png
from .methods import COLOURS, MARKERS, NAMES

_STEP = 0.17
"""Distance of two methods' lines, where findings are 1 apart."""


def draw_intervals(report: LocalisationReport) -> bytes:
    """A PNG: for each finding every method's mean IoU and pointing, with 95% intervals; baselines as grey marks."""
    findings = list(dict.fromkeys(row.finding for row in report.rows))
    figure = new_figure(10.5, 1.5 + 0.78 * len(findings))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.7, 1.0))
    for place, finding in enumerate(findings):
        rows = [row for row in report.rows if row.finding == finding]
        for axes in (left, right):
            axes.axhline(place + 0.55, color=RULE, linewidth=0.8, zorder=0)
            if finding == ALL_FINDINGS:
                axes.axhspan(place - 0.45, place + 0.55, color="#f4f4f4", zorder=0)
        _draw_finding(left, right, place, rows)
    left.set_yticks(range(len(findings)), [_label(report, finding) for finding in findings])
    left.set_ylim(len(findings) - 0.45, -0.5)
    _set_scale(left, "mean IoU, map and mask of equal area")
    _set_scale(right, "pointing game: peak in the mask")
    kinds = [kind for kind in (*METHODS, *BASELINES) if any(row.method == kind for row in report.rows)]
    figure.legend(
        handles=[_handle(kind) for kind in kinds], loc="outside lower center", ncols=4, fontsize=8, frameon=False
    )
    truth = "where the finding shows" if report.truth == "change" else "where the finding is"
    blur = f", maps blurred by {report.options.blur:g} pixels" if report.options.blur else ""
    figure.suptitle(
        f"{report.model} {report.version}: maps against {truth}{blur}\n{report.source}; 95% intervals over patients",
        fontsize=10,
        color=INK,
    )
    return to_png(figure)


def _draw_finding(left: Axes, right: Axes, place: int, rows: Sequence[Row]) -> None:
    for row in rows:
        if row.method in BASELINES:
            mark = {"color": COLOURS[row.method], "marker": MARKERS[row.method], "linestyle": "none", "markersize": 5}
            left.plot([row.iou.value], [place + 0.42], zorder=3, **mark)  # type: ignore[arg-type]
            right.plot([row.pointing.value], [place + 0.42], zorder=3, **mark)  # type: ignore[arg-type]
            continue
        y = place - 0.32 + _STEP * METHODS.index(row.method)
        for axes, found in ((left, row.iou), (right, row.pointing)):
            axes.plot([found.low, found.high], [y, y], color=COLOURS[row.method], linewidth=2.0, zorder=4)
            axes.plot([found.value], [y], color=COLOURS[row.method], marker="o", markersize=5, zorder=5)


def _label(report: LocalisationReport, finding: str) -> str:
    cases = max(row.cases for row in report.rows if row.finding == finding)
    return f"{'mean of findings' if finding == ALL_FINDINGS else finding}\n{cases} cases"


def _set_scale(axes: Axes, words: str) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(words, fontsize=9)
    tidy(axes)
    axes.tick_params(axis="y", length=0)


def _handle(kind: str) -> Line2D:
    width = 0.0 if kind in BASELINES else 2.0
    marker = MARKERS.get(kind, "o")
    return Line2D([], [], color=COLOURS[kind], marker=marker, markersize=5, linewidth=width, label=NAMES[kind])


def draw_examples(examples: Sequence[Example], *, title: str) -> bytes:
    """A PNG: a row for each example, the radiograph and every map over it, with the mask's outline."""
    methods = list(examples[0].maps)
    figure = new_figure(2.15 * (1 + len(methods)), 0.6 + 2.35 * len(examples))
    grid = figure.subplots(len(examples), 1 + len(methods), squeeze=False)
    for axes, example in zip(grid, examples, strict=True):
        show_radiograph(axes[0], example.radiograph, example.mask)
        axes[0].set_title(f"{example.finding}\n{example.sample}", fontsize=8, color=INK)
        for one, method in zip(axes[1:], methods, strict=True):
            show_radiograph(one, example.radiograph, example.mask)
            lay_heatmap(one, example.maps[method])
            words = f"{NAMES[method]}\nIoU {example.ious[method]:.2f}"
            one.set_title(words, fontsize=8, color=COLOURS[method])
    figure.suptitle(title, fontsize=10, color=INK)
    return to_png(figure)


NOTE = "blue: the mask; every map is held against it at the mask's area"
"""What a caption should say of the examples."""
