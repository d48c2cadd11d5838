"""``cxrshift evaluate reader-study``: whether Latent Shift raised the readers' confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import Screen
from ..examples import epilog
from ..exits import errors_told
from ..options import AsJsonDocument
from ..results import finite, flat_row, write_results
from .options import Out

if TYPE_CHECKING:
    from ...evaluation.reader_study import Comparison

EPILOG = epilog(
    "cxrshift evaluate reader-study study --out out",
)


def reader_study(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with the study's readings.csv.")],
    out: Out = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Compare readers' answers with Latent Shift and with traditional maps, paired by example and reader.

    The statistics are those of arXiv 2102.09475: mean and standard deviation of the differences, and the Wilcoxon
    signed-rank test. The last column says how many pairs a next study needs to find such an effect (power 80%).
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...evaluation.reader_study import compare, read_readings

        comparisons = compare(read_readings(folder))
        document = finite({"comparisons": [asdict(one) for one in comparisons]})
        screen.tell(document)
        for line in comparison_lines(comparisons):
            screen.say(line)
        if out is not None:
            from ...evaluation.figures.reader_study import draw_forest

            write_results(
                out,
                tables={"reader-study.csv": [flat_row(one) for one in comparisons]},
                documents={"reader-study.json": document},
                figures={"reader-study.png": draw_forest(comparisons)},
            )
            screen.say(f"written to {out}")


def comparison_lines(comparisons: Sequence[Comparison], *, power: float = 0.8) -> list[str]:
    """The comparisons as tables for people, one for each question and label; ``power`` is the next study's."""
    from ...evaluation.reader_study import pairs_needed

    lines: list[str] = []
    title = ""
    for one in comparisons:
        if title != (title := f"{one.question.replace('_', ' ')}, {one.label.lower()}s"):
            heads = f"{'pairs':>6} {'mean':>8} {'sd':>7} {'W':>8} {'p':>9} {'needed':>7}"
            lines += [*([""] if lines else []), f"{title}: Latent Shift minus traditional", f"{'':16} {heads}"]
        needed = pairs_needed(one, power=power)
        last = f"{needed:7.0f}" if needed < 1e6 else f"{'-':>7}"  # beyond a million: no effect to find
        lines.append(
            f"{one.finding:16} {one.pairs:6} {one.mean:+8.4f} {one.sd:7.4f} {one.statistic:8.1f} {one.p:9.4g} {last}"
        )
    return lines
