"""The reader study as a forest plot."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..reader_study import ALL_FINDINGS, Comparison
from .canvas import INK, MUTED, RULE, new_figure, tidy, to_png

_LOOKS = (("#b3261e", "o"), ("#2f6690", "s"), ("#8a6d1d", "D"), ("#6b4c9a", "^"))
"""Colour and mark of each label: told apart without colour too."""
_TITLES = {"confidence": "confidence in the prediction", "correct_feature": "does the model look at the right feature?"}


def draw_forest(comparisons: Sequence[Comparison]) -> bytes:
    """A PNG: for each question, finding and label the mean difference with its 95% interval, and p beside it."""
    questions = list(dict.fromkeys(one.question for one in comparisons))
    findings = list(dict.fromkeys(one.finding for one in comparisons))
    labels = list(dict.fromkeys(one.label for one in comparisons))
    figure = new_figure(11.0, 1.5 + 0.56 * len(findings))
    panels = figure.subplots(1, len(questions), sharey=True, squeeze=False)[0]
    widest = 1.05 * max(max(abs(one.low), abs(one.high)) for one in comparisons) or 1.0
    for axes, question in zip(panels, questions, strict=True):
        axes.axvline(0.0, color=MUTED, linewidth=1.0, zorder=1)
        for one in (c for c in comparisons if c.question == question):
            _draw_comparison(axes, one, findings.index(one.finding), labels.index(one.label), len(labels))
        axes.set_title(_TITLES.get(question, question), fontsize=10, color=INK, pad=16)
        axes.set_xlim(-widest, widest)
        axes.set_xlabel("← traditional higher        points        Latent Shift higher →", fontsize=8.5)
        tidy(axes)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(findings)), [_name(finding) for finding in findings])
    panels[0].set_ylim(len(findings) - 0.5, -0.5)
    figure.legend(
        handles=[_handle(label, number) for number, label in enumerate(labels)],
        loc="outside lower center",
        ncols=len(labels),
        fontsize=8.5,
        frameon=False,
    )
    figure.suptitle(
        "Answers with Latent Shift minus the same reader's with traditional maps, on five-point scales\n"
        "means, 95% intervals over examples, p of the Wilcoxon signed-rank test (bold below 0.05)",
        fontsize=10,
        color=INK,
    )
    return to_png(figure)


def _draw_comparison(axes: Axes, one: Comparison, place: int, number: int, labels: int) -> None:
    colour, marker = _LOOKS[number % len(_LOOKS)]
    pooled = one.finding == ALL_FINDINGS
    if pooled:
        axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", zorder=0)
    axes.axhline(place + 0.5, color=RULE, linewidth=0.8, zorder=0)
    y = place + 0.34 * (number - (labels - 1) / 2)
    axes.plot([one.low, one.high], [y, y], color=colour, linewidth=2.6 if pooled else 1.8, zorder=4)
    axes.plot([one.mean], [y], color=colour, marker=marker, markersize=7 if pooled else 5.5, zorder=5)
    weight = "bold" if one.p < 0.05 else "normal"
    axes.annotate(
        _say_p(one.p),
        (1.0, y),
        (4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=7.5,
        color=colour,
        weight=weight,
        va="center",
    )


def _say_p(p: float) -> str:
    if p != p:
        return "no pair differs"
    return "p < 0.001" if p < 0.001 else f"p {p:.4f}" if p < 0.01 else f"p {p:.3f}" if p < 0.1 else f"p {p:.2f}"


def _name(finding: str) -> str:
    return "all findings" if finding == ALL_FINDINGS else finding


def _handle(label: str, number: int) -> Line2D:
    colour, marker = _LOOKS[number % len(_LOOKS)]
    return Line2D([], [], color=colour, marker=marker, markersize=6, linewidth=1.8, label=f"{label.lower()}s")
