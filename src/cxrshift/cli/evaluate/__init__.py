"""``cxrshift evaluate``: how good a model's explanations are, against a known truth. A module for each command."""

from __future__ import annotations

import typer

from ..examples import epilog
from . import alignment, faithfulness, localisation, phantom, reader_study, shortcut

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog=epilog("cxrshift evaluate phantom --n 1000", "cxrshift evaluate reader-study study --out out"),
)


@app.callback()
def evaluate() -> None:
    """Measure a model's explanations against a known truth."""


app.command(epilog=phantom.EPILOG)(phantom.phantom)
app.command(epilog=reader_study.EPILOG)(reader_study.reader_study)
app.command(epilog=localisation.EPILOG)(localisation.localisation)
app.command(epilog=faithfulness.EPILOG)(faithfulness.faithfulness)
app.command(epilog=alignment.EPILOG)(alignment.alignment)
app.command(epilog=shortcut.EPILOG)(shortcut.shortcut)
