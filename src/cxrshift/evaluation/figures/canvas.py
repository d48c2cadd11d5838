"""What the figures share: a blank figure, PNG bytes, the look of axes and of pictures. Needs no torch."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrshift_api.types import Float32Array

INK, MUTED, RULE = "#222222", "#777777", "#e4e4e4"


def new_figure(width: float, height: float) -> Figure:
    """A blank figure of ``width`` by ``height`` inches, laid out by matplotlib itself."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file's bytes, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def tidy(axes: Axes, *, grid: str = "x") -> None:
    """Only the two spines that carry a scale, and a faint grid under the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x" if grid == "x" else "y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8)


def show_radiograph(axes: Axes, radiograph: Float32Array, outline: NDArray[np.bool_]) -> None:
    """``radiograph`` (S, S) in [0, 1], with the outline of a mask, ``outline`` (S, S), in blue."""
    axes.imshow(radiograph, cmap="gray", vmin=0.0, vmax=1.0, interpolation="bilinear")
    axes.contour(outline.astype(np.float32), [0.5], colors="#35d0ff", linewidths=1.1)
    axes.set_axis_off()


def lay_heatmap(axes: Axes, heatmap: Float32Array) -> None:
    """``heatmap`` (S, S) ≥ 0 over a radiograph, clear where it is low.

    One stray highest pixel must not darken the rest.
    """
    top = float(np.quantile(heatmap, 0.998)) or float(heatmap.max()) or 1.0
    share = np.clip(heatmap / top, 0.0, 1.0)
    axes.imshow(
        share, cmap="inferno", vmin=0.0, vmax=1.0, alpha=np.clip(1.6 * share, 0.0, 0.9), interpolation="nearest"
    )
