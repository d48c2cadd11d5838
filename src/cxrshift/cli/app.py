"""The command's tree."""

from __future__ import annotations

from typing import Annotated

import typer

from . import classify, evaluate, explain, keys, models, pacs, serve, study, torchserve, train
from .exits import EXIT_CODES

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # they would show pixels and file names
    epilog=f"""
[bold]Examples[/bold]

cxrshift serve

cxrshift explain chest.dcm --finding Effusion --out out

cxrshift explain chest.dcm --local

{EXIT_CODES}
""",
)
app.command(epilog=explain.EPILOG)(explain.explain)
app.command(epilog=classify.EPILOG)(classify.classify)
app.command(epilog=serve.EPILOG)(serve.serve)
app.command(epilog=torchserve.EPILOG)(torchserve.torchserve)
app.add_typer(models.app, name="models", help="List, fetch and build models.")
app.add_typer(keys.app, name="keys")
app.add_typer(pacs.app, name="pacs")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(study.app, name="study")
app.add_typer(train.app, name="train")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"cxrshift {version('cxrshift')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Explain a chest X-ray classifier by Latent Shift: see the finding shrink and grow.

    Images are synthetic and not for diagnosis.
    """
