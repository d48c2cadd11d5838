"""``cxrshift study export`` and ``import``: a study as tables, and tables as a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import Screen
from ..exits import errors_told
from ..options import AsJson
from .options import NewStudy, StudyFile

EXPORT_EPILOG = """
[bold]Examples[/bold]

cxrshift study export study.sqlite tables

cxrshift evaluate reader-study tables

readings.csv has the answers, trials.csv the cases, readers.csv the readers, study.json the study itself. Readings \
that still wait for their other arm stand apart, in unpaired.csv.
"""
IMPORT_EPILOG = """
[bold]Examples[/bold]

cxrshift study import tables study.sqlite

cxrshift study results study.sqlite

DIR needs readings.csv, with the columns example, reader, read, arm, target, label_name, confidence and \
correct_feature; trials.csv, unpaired.csv and study.json are read where they are there. Such a study shows its \
results; it has no pictures.
"""


def export(
    study: StudyFile,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the tables go; made if it is not there.")],
    as_json: AsJson = False,
) -> None:
    """Write a study's tables, which [bold]cxrshift evaluate reader-study[/bold] reads."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.database import Database
        from ...study.tables import UNPAIRED, make_tables

        with Database(study) as database:
            tables = make_tables(database)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in tables.items():
            part = folder / f".{name}.part"
            part.write_text(text, encoding="utf-8", newline="")
            part.replace(folder / name)  # a stop halfway leaves no half file
        if UNPAIRED not in tables:
            (folder / UNPAIRED).unlink(missing_ok=True)  # of an earlier export: its readings have their pairs now
        screen.tell({"folder": str(folder), "files": sorted(tables)})
        screen.say(f"{folder}: {', '.join(sorted(tables))}")


def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with readings.csv.")],
    study: NewStudy,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="What the study is called.", show_default="the folder's name")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a study of tables that were read elsewhere, such as the paper's, to see its results."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.cases import list_cases
        from ...study.database import Database
        from ...study.readings import list_readings
        from ...study.table_import import import_tables

        with Database(study, new=True) as database:
            try:
                import_tables(folder, database, title)
            except BaseException:
                database.close()
                study.unlink()
                raise
            cases, readings = len(list_cases(database)), len(list_readings(database))
        screen.tell({"study": str(study), "cases": cases, "readings": readings})
        screen.say(f"{study}: {cases} cases, {readings} readings")
