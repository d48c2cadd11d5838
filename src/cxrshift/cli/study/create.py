"""``cxrshift study create``: a table of cases in, a study with every explanation out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import Screen
from ..exits import EXIT_CODES, ExitCode, errors_told
from ..options import (
    DEFAULT_SERVER,
    AsJson,
    HeatmapName,
    InFlight,
    Local,
    ModelName,
    ProfileName,
    SaliencyName,
    Seconds,
    Server,
)
from .options import NewStudy

if TYPE_CHECKING:
    from cxrshift_api.types import Explanation
    from cxrshift_client.request import Choices

    from ...study.building import Builder
    from ...study.case_table import CaseRow
    from ..askers import Asker
    from ..work import Done

EPILOG = f"""
[bold]Examples[/bold]

cxrshift study create cases.csv study.sqlite

cxrshift study create cases.csv study.sqlite --local --model cxr-small --washout 28

cxrshift study create cases.csv study.sqlite --arms latent-shift --seed 7

CASES is a CSV table with the columns example, file, target (the finding) and label_name (True Positive, False \
Positive or whatever strata you compare); other columns are kept and handed back. Files are named from where the table \
lies. Stopped, or with a case that failed, the same command goes on where it was: what was explained is kept in \
STUDY.part, and STUDY is there only when it is whole.

{EXIT_CODES}
"""


def create(
    cases: Annotated[Path, typer.Argument(metavar="CASES", help="The table of cases, CSV.")],
    study: NewStudy,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="What readers see above it.", show_default="Reader study")
    ] = "Reader study",
    arms: Annotated[
        Literal["both", "latent-shift", "traditional"],
        typer.Option(help="What readers are shown; both = each case twice, once with each, in balanced order."),
    ] = "both",
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Draws every order; it is kept in the study.", show_default="a random one"
        ),
    ] = None,
    washout: Annotated[
        float,
        typer.Option(min=0.0, metavar="DAYS", help="That a reader must wait between the first read and the second."),
    ] = 0.0,
    profile: Annotated[ProfileName, typer.Option(help="How the range of the shift λ is found.")] = "two-sided",
    frames: Annotated[
        int | None,
        typer.Option(metavar="N", help="Pictures along the shift, 2 to 101.", show_default="10 or 11, by profile"),
    ] = None,
    heatmap: Annotated[HeatmapName, typer.Option(help="How the pictures become one map of change.")] = "max",
    server: Server = DEFAULT_SERVER,
    local: Local = False,
    model: ModelName = "",
    timeout: Seconds = 120.0,
    in_flight: InFlight = 4,
    as_json: AsJson = False,
) -> None:
    """Make a study: explain every case of a table and keep the explanations in one file."""
    screen = Screen(as_json=as_json)
    choices: Choices = {
        "profile": profile,
        "frames": frames,
        "heatmap": heatmap,
        "saliency": () if arms == "latent-shift" else tuple(SaliencyName),
    }
    with errors_told(screen):
        from ...study.building import Builder, StudyPlan
        from ...study.case_table import read_case_table
        from ...study.design import Arms
        from ..askers import open_asker

        rows = read_case_table(cases)
        plan = StudyPlan(title, Arms(arms), secrets.randbelow(1 << 31) if seed is None else seed, washout)
        recipe = f"{'local' if local else server} {model} {sorted(choices.items())}"
        with Builder(study, recipe) as builder, open_asker(server, model, local=local, timeout=timeout) as asker:
            failures = explain_cases(asker, rows, choices, builder, in_flight=in_flight, screen=screen)
            if not failures:
                made = builder.finish(rows, plan)
                screen.tell({"study": str(study), "cases": len(rows), "arms": made.arms, "seed": made.seed})
                screen.say(f"{study}: {len(rows)} cases, {made.arms}, seed {made.seed}")
                screen.note("Next: cxrshift study readers add, for each reader and once with --admin for yourself.")
        if failures:
            screen.fail(
                f"{failures} of {len(rows)} cases failed; mend {cases} and run the same command again. "
                f"The others are kept in {builder.part}."
            )
            raise typer.Exit(ExitCode.SOME_FAILED)


def explain_cases(
    asker: Asker, rows: Sequence[CaseRow], choices: Choices, builder: Builder, *, in_flight: int, screen: Screen
) -> int:
    """Gather every row's explanation that is not gathered yet; how many failed. Raises UnreachableError."""
    from ...study.case_table import check_prediction
    from ..work import work_and_tell

    waiting = [row for row in rows if not _has(builder, row, check_prediction)]
    if len(waiting) < len(rows):
        screen.note(f"{len(rows) - len(waiting)} cases were explained before.")

    def explain_one(position: int, file: Path) -> Explanation:
        row = waiting[position - 1]
        asked: Choices = {**choices, "findings": (row.finding,)}
        [explanation] = asker.explain(file, asked).explanations
        check_prediction(row, explanation)
        return explanation

    def keep(where: Mapping[str, object], done: Done[Explanation]) -> None:
        row = waiting[done.position - 1]
        builder.gather(row, done.result)
        screen.tell({**where, "example": row.example, "finding": row.finding, "score": round(done.result.score, 6)})

    files = [row.file for row in waiting]
    return work_and_tell(files, explain_one, keep, what="explaining", in_flight=in_flight, screen=screen)


def _has(builder: Builder, row: CaseRow, check: Callable[[CaseRow, Explanation], None]) -> bool:
    """Whether the row's explanation is there and says what its label, which may have been mended since, says."""
    from ...errors import InvalidRequest

    with suppress(InvalidRequest):
        if builder.has(row):
            check(row, builder.gathered(row))
            return True
    return False
