"""What the figures share: colours of the methods, a blank figure, PNG bytes."""

from __future__ import annotations

import io
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..localisation_report import CENTRE, MEAN_MASK, RANDOM, TWIN

INK, MUTED, RULE = "#222222", "#777777", "#e4e4e4"
NAMES: Final = {
    "latent-shift": "Latent Shift",
    "input-gradient": "input gradient",
    "integrated-gradients": "integrated gradients",
    "guided-backpropagation": "guided backpropagation",
    RANDOM: "random map",
    CENTRE: "centred map",
    MEAN_MASK: "mean mask of others",
    TWIN: "true change",
}
COLOURS: Final = {
    "latent-shift": "#b3261e",
    "input-gradient": "#2f6690",
    "integrated-gradients": "#3a7d44",
    "guided-backpropagation": "#8a6d1d",
    RANDOM: "#a9adb3",
    CENTRE: "#a9adb3",
    MEAN_MASK: "#a9adb3",
    TWIN: "#a9adb3",
}
MARKERS: Final = {RANDOM: "x", CENTRE: "+", MEAN_MASK: "s", TWIN: "D"}
"""Of what is no method; methods are dots."""


def new_figure(width: float, height: float) -> Figure:
    """A blank figure of so many inches, laid out by matplotlib itself."""
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
