"""The pictures of a training report, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .fit import History

_ACCENT, _OTHER, _MUTED = "#b3261e", "#2f6690", "#8a8f98"
_CURVES = ("#b3261e", "#2f6690", "#3a7d44", "#8a6d1d", "#6b4c9a", "#3d7a7a", "#8c564b")
_STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))


def draw_history(history: History, title: str) -> bytes:
    """The training's loss, and below it what each validation found; the best, whose weights are kept, is marked."""
    names = list(history.validations[0].figures) if history.validations else []
    rows = 1 + bool(history.validations) + len(names)
    figure = Figure(figsize=(7.5, 1.2 + 1.9 * rows), dpi=110, layout="constrained")
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=11, weight="bold")
    steps, losses = zip(*history.losses, strict=True) if history.losses else ((), ())
    _plot_curve(panels[0], steps, losses, "training loss", _MUTED)
    panels[0].set_yscale("log")
    at = [validated.step for validated in history.validations]
    if at:
        _plot_curve(panels[1], at, [v.value for v in history.validations], "validation,\nlower is better", _ACCENT)
    for panel, name in zip(panels[2:], names, strict=True):
        _plot_curve(panel, at, [v.figures[name] for v in history.validations], name.replace(" of ", "\nof "), _OTHER)
    if best := history.best:
        for panel in panels[1:]:
            panel.axvline(best.step, color=_ACCENT, linewidth=0.9, linestyle=(0, (5, 4)))
        panels[1].set_title(f"best after {best.step} steps: {best.value:.4f}", fontsize=8, color=_ACCENT, loc="right")
    panels[-1].set_xlabel("steps")
    return _to_png(figure)


def draw_reconstructions(originals: NDArray[np.float32], copies: NDArray[np.float32], title: str) -> bytes:
    """Originals above their reconstructions, and below both what was lost; a PNG.

    ``originals`` (N, S, S) and ``copies`` (N, S, S) are in [-1024, 1024].
    """
    count = len(originals)
    figure = Figure(figsize=(1.45 * count + 0.9, 5.2), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=11, weight="bold")
    panels = figure.subplots(3, count, squeeze=False)
    for column, (original, copy) in enumerate(zip(originals, copies, strict=True)):
        for row, pixels in enumerate((original, copy)):
            panels[row, column].imshow(pixels, cmap="gray", vmin=-1024, vmax=1024)
        panels[2, column].imshow(np.abs(copy - original), cmap="magma", vmin=0, vmax=400)
        panels[2, column].set_xlabel(f"MAE {np.abs(copy - original).mean():.0f}", fontsize=8)
    for row, name in enumerate(("original", "reconstruction", "|difference|,\n0 to 400")):
        panels[row, 0].set_ylabel(name, fontsize=9)
    for panel in panels.flat:
        panel.set_xticks([])
        panel.set_yticks([])
    return _to_png(figure)


def draw_rocs(
    findings: Sequence[str],
    labels: NDArray[np.float32],
    scores: NDArray[np.float32],
    areas: Sequence[float],
    title: str,
) -> bytes:
    """One ROC curve for each finding, AUROC and count beside it; a PNG.

    ``labels`` (N, F) are 1, 0, or NaN for unknown, ``scores`` (N, F) in [0, 1]. ``areas`` are AUROCs in [0, 1], NaN
    where there is none.
    """
    figure = Figure(figsize=(8.2, 5.4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    order = sorted(range(len(findings)), key=lambda column: -np.nan_to_num(areas[column], nan=-1.0))
    for place, column in enumerate(order):
        known = ~np.isnan(labels[:, column])
        present = labels[known, column] > 0.5
        if present.all() or not present.any():
            continue
        false, true = _roc(scores[known, column], present)
        name = f"{findings[column]}  {areas[column]:.3f}  ({present.sum()})"
        style = _STYLES[place // len(_CURVES) % len(_STYLES)]
        axes.plot(false, true, color=_CURVES[place % len(_CURVES)], linestyle=style, linewidth=1.5, label=name)
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.set_aspect("equal")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=11, weight="bold")
    if axes.get_legend_handles_labels()[0]:
        heading = {"title": "finding, AUROC (present)", "title_fontsize": 8}
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8, **heading)
    return _to_png(figure)


def _roc(scores: NDArray[np.float32], present: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of absent and of present that reach each threshold, from the highest to the lowest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)  # equal scores are reached together
    true, false = np.cumsum(present[order])[ends], np.cumsum(~present[order])[ends]
    return np.insert(false / false[-1], 0, 0.0), np.insert(true / true[-1], 0, 0.0)


def _plot_curve(axes: Axes, steps: Sequence[float], values: Sequence[float], name: str, colour: str) -> None:
    marker = "o" if len(steps) < 40 else ""
    axes.plot(steps, values, color=colour, linewidth=1.4, marker=marker, markersize=3)
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#eeeeee")
    axes.spines[["top", "right"]].set_visible(False)


def _to_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()
