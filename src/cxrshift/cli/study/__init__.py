"""``cxrshift study``: a reader study from its table of cases to its statistics. A module for each kind of work."""

from __future__ import annotations

import typer

from . import create, readers, reports, serve, tables

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback(
    epilog="[bold]Example[/bold]\n\n"
    "cxrshift study create cases.csv study.sqlite --local\n\n"
    "cxrshift study readers add study.sqlite R1\n\n"
    "cxrshift study serve study.sqlite\n\n"
    "cxrshift study results study.sqlite"
)
def study() -> None:
    """Run a reader study: cases shown blind in a browser, answers kept at once, the paper's statistics."""


app.command(epilog=create.EPILOG)(create.create)
app.add_typer(readers.app, name="readers")
app.command(epilog=serve.EPILOG)(serve.serve)
app.command(epilog=reports.PROGRESS_EPILOG)(reports.progress)
app.command(epilog=reports.RESULTS_EPILOG)(reports.results)
app.command(epilog=tables.EXPORT_EPILOG)(tables.export)
app.command("import", epilog=tables.IMPORT_EPILOG)(tables.import_)
