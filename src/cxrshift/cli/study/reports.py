"""``cxrshift study progress`` and ``results``: how far the readers are, and what they found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import Screen
from ..evaluate.options import Out
from ..evaluate.reader_study import comparison_lines
from ..exits import errors_told
from ..options import AsJson
from ..results import flat_row, write_results
from .options import Power, StudyFile

if TYPE_CHECKING:
    from ...evaluation.reader_study import Comparison
    from ...study.records import ReaderProgress
    from ...study.results import ArmSummary

PROGRESS_EPILOG = "[bold]Example[/bold]\n\ncxrshift study progress study.sqlite"
RESULTS_EPILOG = """
[bold]Examples[/bold]

cxrshift study results study.sqlite

cxrshift study results study.sqlite --power 0.9 --out results

While readers are still at work, the cases count that a reader has seen with both arms.
"""


def progress(study: StudyFile, as_json: AsJson = False) -> None:
    """Say how far each reader is, and how long a case takes."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.admin import describe_progress
        from ...study.database import Database
        from ...study.readings import list_progress

        with Database(study) as database:
            readers = list_progress(database)
            document = describe_progress(database)
        screen.tell(document)
        screen.say(f"{document['title']}: {document['cases']} cases, {document['arms']}, seed {document['seed']}")
        for one in readers:
            screen.say(_say_progress(one))


def results(study: StudyFile, power: Power = 0.8, out: Out = None, as_json: AsJson = False) -> None:
    """Print the paper's statistics of what was read so far, and the size of the next study."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.admin import describe_results
        from ...study.database import Database
        from ...study.readings import list_readings
        from ...study.results import compute_results

        with Database(study) as database:
            found = compute_results(list_readings(database))
        document = describe_results(found, power=power)
        screen.tell(document)
        screen.say(f"{found.readings} readings, {found.unpaired} of them without their other arm")
        for line in [*_say_arms(found.arms), "", *comparison_lines(found.comparisons, power=power)]:
            screen.say(line)
        if not found.comparisons:
            screen.say("No case was read with both arms by one reader: there is nothing to compare.")
        if out is not None:
            _write(out, document, found.comparisons, screen)


def _write(out: Path, document: Mapping[str, object], comparisons: Sequence[Comparison], screen: Screen) -> None:
    from ...evaluation.figures.reader_study import draw_forest

    write_results(
        out,
        tables={"reader-study.csv": [flat_row(one) for one in comparisons]},
        documents={"reader-study.json": document},
        figures={"reader-study.png": draw_forest(comparisons)} if comparisons else {},
    )
    screen.say(f"written to {out}")


def _say_progress(one: ReaderProgress) -> str:
    done = ", ".join(f"read {i} {count} of {one.cases}" for i, count in enumerate(one.done, 1)) or "no cases"
    time = (
        ""
        if math.isnan(one.median_seconds)
        else f"  {one.seconds / 60:.0f} min, median {one.median_seconds:.0f} s a case"
    )
    last = "" if one.last_at is None else f"  last {datetime.fromtimestamp(one.last_at).astimezone():%Y-%m-%d %H:%M}"
    return f"{one.name:20} {done}{time}{last}{'  no code' if one.revoked else ''}"


def _say_arms(arms: Sequence[ArmSummary]) -> list[str]:
    return [
        f"{one.question.replace('_', ' '):16} {one.label.lower() + 's':16} {one.arm:13} {one.readings:5} readings  "
        f"mean {one.mean:.4f}  sd {one.sd:.4f}"
        for one in arms
    ]
