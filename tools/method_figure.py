"""Draw the figure of docs/method.md: one phantom with a mass, explained by the embedded model.

``python tools/method_figure.py OUT.webp``. Radiograph, then frames from the curtailed to the exaggerated one with the
score of each beneath, on the curve that they stand on, then the heatmap.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from PIL import Image

import cxrshift
from cxrshift.phantom import generate
from cxrshift.render.overlay import colour_overlay
from cxrshift_api.types import Explanation, UInt8Array

SEED, FINDING, FRAMES = 23, "Mass", 9
SHOWN = (0, 1, 2, 3, 4, 8)
"""Frames that have a picture: the curtailed ones, the reconstruction, and the most exaggerated."""
MOVES = 0.3
"""Another finding whose score changes by more than this along the path is named."""
GROUND, INK, FAINT, OWN = "#0b141a", "#e8eef1", "#8aa0ab", "#6cd3e6"


def explain() -> Explanation:
    """The explanation that is drawn."""
    phantom = generate(SEED, findings=(FINDING,))
    [outcome] = cxrshift.explain(cxrshift.load_model("phantom"), [phantom.pixels], finding=FINDING, frames=FRAMES)
    if not isinstance(outcome, Explanation):
        raise TypeError(f"The phantom is not explained: {outcome}")
    return outcome


def draw(explanation: Explanation) -> Figure:
    """The figure, 16 x 5.9 inches."""
    mpl.rcParams |= {"font.family": "DejaVu Sans", "mathtext.fontset": "cm", "text.color": INK}
    figure = plt.figure(figsize=(16, 5.9), facecolor=GROUND)
    places = figure.add_gridspec(
        2, len(SHOWN) + 4, width_ratios=[1.5, 0.34, *[1] * len(SHOWN), 0.34, 1.5], height_ratios=[1, 0.92]
    )
    places.update(left=0.01, right=0.99, top=0.925, bottom=0.1, wspace=0.05, hspace=0.18)
    own = explanation.findings.index(explanation.finding)
    _show(figure.add_subplot(places[0, 0]), explanation.radiograph, r"radiograph  $x$")
    _arrow(figure.add_subplot(places[0, 1]), r"$E,\,D$")
    for place, index in enumerate(SHOWN, 2):
        title = (
            r"$x_0 = D(z)$" if index == explanation.zero_frame else rf"$\lambda = {explanation.lambdas[index]:+.0f}$"
        )
        _show(figure.add_subplot(places[0, place]), explanation.frames[index], title)
    _arrow(figure.add_subplot(places[0, -2]), r"$\max_\lambda$")
    overlay = np.asarray(colour_overlay(explanation, smallest_side=384))
    _show(figure.add_subplot(places[0, -1]), overlay, r"heatmap  $|x(\lambda) - x_0|$")
    _curve(figure.add_subplot(places[1, 2:-2]), explanation, own)
    _say(figure, places[1, 0], f"$f(x)$ = {explanation.radiograph_scores[own]:.2f}", "the radiograph's own score")
    quality = explanation.quality
    _say(figure, places[1, -1], f"SSIM {quality.ssim:.2f}", f"drop {quality.drop:.2f}, rise {quality.rise:.2f}")
    words = f"{explanation.finding}, model {explanation.receipt.model}. {explanation.notice}"
    figure.text(0.01, 0.035, words, color=FAINT, fontsize=12)
    return figure


def _show(axes: Axes, picture: UInt8Array, title: str) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
    axes.set_title(title, color=INK, fontsize=15, pad=8)
    axes.set_anchor("S")
    axes.axis("off")


def _arrow(axes: Axes, words: str) -> None:
    axes.annotate(
        "", (1.0, 0.45), (0.0, 0.45), arrowprops={"arrowstyle": "-|>", "color": FAINT, "lw": 1.6}, annotation_clip=False
    )
    axes.text(0.5, 0.53, words, ha="center", fontsize=15, color=INK)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")


def _curve(axes: Axes, explanation: Explanation, own: int) -> None:
    """Every finding's score on the frames that are shown, each beneath its picture."""
    scores = explanation.scores[list(SHOWN)]
    along = np.arange(len(SHOWN))
    for column, finding in enumerate(explanation.findings):
        if column != own:
            axes.plot(along, scores[:, column], color=FAINT, lw=1.2, alpha=0.6)
            if np.ptp(scores[:, column]) > MOVES:
                axes.text(-0.12, scores[0, column] + 0.04, finding, color=FAINT, fontsize=12)
    axes.plot(along, scores[:, own], color=OWN, lw=2.6, marker="o", markersize=8)
    for place, score in zip(along, scores[:, own], strict=True):
        beside = (-30, -5) if score < 0.3 else (0, 12) if score < 0.8 else (0, -22)
        label = axes.annotate(f"{score:.2f}", (place, score), beside, textcoords="offset points", ha="center")
        label.set(fontsize=14, color=OWN)
    axes.axhline(explanation.operating_point, color=FAINT, lw=1, ls=(0, (2, 4)))
    axes.text(
        len(SHOWN) - 0.52, explanation.operating_point + 0.03, "operating point", color=FAINT, fontsize=11, ha="right"
    )
    axes.text(
        len(SHOWN) - 0.52,
        0.56,
        rf"$s(\lambda) = f(D(z + \lambda g))_{{\mathrm{{{FINDING}}}}}$",
        color=OWN,
        fontsize=17,
        ha="right",
    )
    axes.set(xlim=(-0.5, len(SHOWN) - 0.5), ylim=(-0.04, 1.06), xticks=[], facecolor=GROUND)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"], color=FAINT, fontsize=12)
    axes.tick_params(length=0)
    for name, spine in axes.spines.items():
        spine.set(visible=name == "bottom", color=FAINT)


def _say(figure: Figure, place: SubplotSpec, first: str, second: str) -> None:
    axes = figure.add_subplot(place)
    axes.text(0.5, 0.84, first, ha="center", fontsize=17, color=INK)
    axes.text(0.5, 0.70, second, ha="center", fontsize=12, color=FAINT)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")


def main(arguments: list[str]) -> None:
    """Write the figure as WebP."""
    buffer = BytesIO()
    draw(explain()).savefig(buffer, dpi=125, facecolor=GROUND)
    Image.open(buffer).convert("RGB").save(Path(arguments[0]), "WEBP", quality=88, method=6)


if __name__ == "__main__":
    main(sys.argv[1:])
