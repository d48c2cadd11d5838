"""How every finding answers the path of every other, as two matrices of colour and number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from ..alignment import AlignmentReport, Cell
from ..intervals import Interval
from .canvas import INK, MUTED, new_figure, to_png

_COLOURS: Final = "RdBu_r"
"""Red moves with the path, blue against it, white not at all; told apart by the colour-blind."""
_OWN: Final = "#d9d9d9"


def draw_alignment(report: AlignmentReport) -> bytes:
    """A PNG: relative change and correlation; rows are the path's finding, columns the finding that answers.

    Bold where the 95% interval leaves out 0. The diagonal tells how far the path's own score goes.
    """
    rows, columns = len(report.rows), len(report.findings)
    figure = new_figure(3.6 + 1.2 * columns, 2.5 + 0.46 * rows)
    left, right = figure.subplots(1, 2, sharey=True)
    changes = _draw_matrix(left, report, lambda cell: cell.relative)
    _draw_matrix(right, report, lambda cell: cell.telling_correlation)
    left.set_title("change of score, as a share of that of the path's finding", fontsize=9.5, color=INK, pad=8)
    right.set_title(
        "correlation of the two scores (–: the answer stays still on most paths)", fontsize=9.5, color=INK, pad=8
    )
    left.set_yticks(range(rows), [f"{row[0].finding} ({row[0].cases})" for row in report.rows])
    left.set_ylabel("path of (radiographs)", fontsize=9, color=INK)
    bar = figure.colorbar(
        changes, ax=[left, right], shrink=0.8, aspect=25, pad=0.015, ticks=[-1.0, -0.5, 0.0, 0.5, 1.0]
    )
    bar.ax.set_yticklabels(["−1: against it", "−0.5", "0: stays", "0.5", "1: with it"], fontsize=8)
    bar.outline.set_visible(False)
    figure.suptitle(
        f"{report.model} {report.version}: what else moves along the path of one finding\n"
        f"{report.source}; finding {report.cases}; bold: 95% interval over patients without 0; "
        "grey: how far the path's own score goes",
        fontsize=10,
        color=INK,
    )
    return to_png(figure)


def _draw_matrix(axes: Axes, report: AlignmentReport, chosen: Callable[[Cell], Interval]) -> AxesImage:
    values = np.ma.masked_invalid([[chosen(cell).value for cell in row] for row in report.rows])
    image = axes.imshow(values, cmap=_COLOURS, norm=TwoSlopeNorm(0.0, -1.0, 1.0), aspect="auto")
    for y, row in enumerate(report.rows):
        for x, cell in enumerate(row):
            if cell.finding == cell.other:
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1.0, 1.0, facecolor=_OWN, edgecolor="none"))
                _write(axes, x, y, cell.change.value, colour=INK, style="italic")
            else:
                _write_found(axes, x, y, chosen(cell))
    axes.set_xticks(range(len(report.findings)), report.findings, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xticks(np.arange(len(report.findings) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(report.rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0, labelsize=8.5, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("finding that answers", fontsize=9, color=INK)
    return image


def _write_found(axes: Axes, x: int, y: int, found: Interval) -> None:
    sure = found.low > 0.0 or found.high < 0.0
    colour = "white" if abs(found.value) > 0.6 else INK if sure else MUTED
    _write(axes, x, y, found.value, colour=colour, weight="bold" if sure else "normal")


def _write(
    axes: Axes, x: int, y: int, number: float, *, colour: str, weight: str = "normal", style: str = "normal"
) -> None:
    words = "–" if np.isnan(number) else f"{number:+.2f}".replace("-", "−")
    axes.text(x, y, words, ha="center", va="center", fontsize=8, color=colour, weight=weight, style=style)
