"""``cxrshift evaluate alignment``: what else moves along the path of one finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import Screen
from ..examples import epilog
from ..exits import errors_told
from ..options import AsJsonDocument
from ..results import finite, flat_row, write_results
from .options import Chosen, Dataset, Evaluated, Images, Limit, Out, Phantoms, PixelChange, Seed, Split

if TYPE_CHECKING:
    from ...evaluation.alignment import AlignmentReport, Cell
    from ...evaluation.intervals import Interval

EPILOG = epilog(
    "cxrshift evaluate alignment --phantoms 200 --out out",
    "cxrshift evaluate alignment -m cxr-small --images data/cxr --split test --limit 400 --out out",
)
_WIDTH = 10
"""Of a column; names are cut to fit."""


def alignment(
    phantoms: Phantoms = 200,
    seed: Seed = 0,
    images: Images = None,
    dataset: Dataset = "",
    split: Split = "test",
    limit: Limit = 200,
    model: Evaluated = "phantom",
    cases: Annotated[
        Literal["present", "absent", "all"], typer.Option(help="Walk a finding's path where it is present, or absent.")
    ] = "present",
    pixel_change: PixelChange = None,
    smallest_move: Annotated[
        float, typer.Option(min=0.001, max=1.0, metavar="SCORE", help="Leave out paths whose own score rises by less.")
    ] = 0.1,
    out: Out = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Measure how the scores of all findings move along the path of each: counterfactual alignment, arXiv 2312.02186.

    A row is the finding whose path is walked, a column the one that answers. First its change of score over the whole
    path, as a share of the path's own; then the correlation of the two scores along it. Means over radiographs, marked
    with * where the 95% interval over patients leaves out 0; the diagonal is the path's own change of score. Where a
    score moves by less than 0.01 on most paths there is no correlation to speak of.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...evaluation.alignment_study import Cases, study_alignment
        from ...models.loader import load_model

        loaded = load_model(model)
        samples = Chosen(phantoms, seed, images, dataset, split, limit).samples(loaded)
        with screen.progress("walking paths", None) as bar:
            report = study_alignment(
                loaded,
                samples,
                cases=Cases(cases),
                pixel_change=pixel_change,
                smallest_move=smallest_move,
                seed=seed,
                progress=bar.set,
            )
        screen.tell(finite(asdict(report)))
        for line in report_lines(report):
            screen.say(line)
        if out is not None:
            from ...evaluation.figures.alignment import draw_alignment

            write_results(
                out,
                tables={"alignment.csv": [flat_row(cell) for cell in report.cells]},
                documents={"alignment.json": finite(asdict(report))},
                figures={"alignment.png": draw_alignment(report)},
            )
            screen.say(f"written to {out}")


def report_lines(report: AlignmentReport) -> Iterator[str]:
    """The report as two matrices for people."""
    yield f"{report.model} {report.version}, {report.source}; finding {report.cases}"
    yield "Change of score, as a share of that of the path's finding (diagonal: the path's own change of score)"
    yield from _matrix(report, lambda cell: cell.relative)
    yield ""
    yield "Correlation of the two scores along the path (-: the answer stays still on most paths)"
    yield from _matrix(report, lambda cell: cell.telling_correlation)
    if report.refused or report.unmoved:
        still = f"{report.unmoved} whose own score rises by less than {report.smallest_move:g}"
        yield f"left out: {report.refused} without an explanation, {still}"


def _matrix(report: AlignmentReport, chosen: Callable[[Cell], Interval]) -> Iterator[str]:
    yield f"{'path of':18}{'cases':>6}  " + " ".join(f"{name[: _WIDTH - 1]:>{_WIDTH}}" for name in report.findings)
    for row in report.rows:
        numbers = (
            f"[{cell.change.value:+.2f}] " if cell.other == cell.finding else _number(chosen(cell)) for cell in row
        )
        yield f"{row[0].finding:18}{row[0].cases:6}  " + " ".join(f"{number:>{_WIDTH}}" for number in numbers)


def _number(found: Interval) -> str:
    """With a star where its interval leaves out 0; a dash where there is none."""
    if found.value != found.value:
        return "- "
    return f"{found.value:+.2f}" + ("*" if found.low > 0.0 or found.high < 0.0 else " ")
