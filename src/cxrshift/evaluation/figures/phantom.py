"""Explanations of phantoms: what each finding's reached."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from ..phantom import PhantomReport, Share
from .canvas import INK, MUTED, RULE, new_figure, tidy, to_png

_COLOUR = "#b3261e"
_Z = 1.96
_PANELS = {
    "dropped": "score falls by 0.5 or more\nof sure positives",
    "raised": "score rises by 0.3 or more\nof sure negatives",
    "pointed": "heatmap peaks in the finding\nof all positives",
}


def draw_shares(report: PhantomReport) -> bytes:
    """A PNG: for each finding the shares that the report counts, with 95% intervals, and the overlap with the mask."""
    figure = new_figure(11.0, 1.6 + 0.42 * len(report.findings))
    panels = figure.subplots(1, len(_PANELS) + 1, sharey=True)
    for axes, (name, words) in zip(panels, _PANELS.items(), strict=False):
        for place, finding in enumerate(report.findings):
            _draw_share(axes, place, getattr(finding, name))
        axes.set_title(words, fontsize=9, color=INK)
    panels[-1].set_title("overlap with the mask\nIoU at the mask's area", fontsize=9, color=INK)
    for place, finding in enumerate(report.findings):
        panels[-1].barh([place], [finding.overlap], 0.42, color=_COLOUR, zorder=3)
        panels[-1].annotate(
            f"{finding.overlap:.2f}",
            (finding.overlap, place),
            (5, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    for axes in panels:
        axes.set_xlim(-0.02, 1.02)
        axes.set_xticks([0.0, 0.5, 1.0], ["0", "50%", "100%"] if axes is not panels[-1] else ["0", "0.5", "1"])
        tidy(axes)
        axes.tick_params(axis="y", length=0)
    names = [f"{finding.finding}  (AUROC {finding.auroc:.3f})" for finding in report.findings]
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.suptitle(
        f"{report.model} {report.version}: {report.phantoms} phantoms of seed {report.seed}, 95% intervals",
        fontsize=10,
        color=INK,
    )
    return to_png(figure)


def _draw_share(axes: Axes, place: int, share: Share) -> None:
    axes.axhline(place + 0.5, color=RULE, linewidth=0.8, zorder=0)
    if math.isnan(share.value):
        axes.text(0.5, place, "no case", fontsize=8, color=MUTED, ha="center", va="center")
        return
    low, high = wilson(share.reached, share.total)
    axes.plot([low, high], [place, place], color=_COLOUR, linewidth=2.0, zorder=4)
    axes.plot([share.value], [place], color=_COLOUR, marker="o", markersize=5.5, zorder=5)
    left = share.value > 0.5
    axes.annotate(
        f"{share.reached}/{share.total}",
        (low if left else high, place),
        (-6 if left else 6, 0),
        textcoords="offset points",
        fontsize=7.5,
        color=MUTED,
        ha="right" if left else "left",
        va="center",
    )


def wilson(reached: int, total: int) -> tuple[float, float]:
    """The 95% score interval of a share (Wilson 1927): within [0, 1], and of some width at both ends too."""
    share, z2 = reached / total, _Z**2 / total
    middle = share + z2 / 2.0
    reach = _Z * math.sqrt(share * (1.0 - share) / total + z2 / (4.0 * total))
    return max((middle - reach) / (1.0 + z2), 0.0), min((middle + reach) / (1.0 + z2), 1.0)
