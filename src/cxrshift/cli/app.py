"""The command's tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from . import classify, doctor, evaluate, explain, keys, models, pacs, serve, study, torchserve, train
from .examples import epilog
from .group import EXPLAIN, HELP, MEASURE, MODELS, SERVE, Root

app = typer.Typer(
    name="cxrshift",
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # they would show pixels and file names
    epilog=epilog(
        "cxrshift explain chest.dcm --local",
        "cxrshift serve",
        "cxrshift explain chest.dcm --finding Effusion --out out",
        "cxrshift classify study_folder/ --json",
        "cxrshift doctor",
        notes="Every command has examples in its own --help, and takes --json.",
    ),
)


def _add(panel: str, short: str, function: Callable[..., None], end: str) -> None:
    app.command(epilog=end, rich_help_panel=panel, short_help=short)(function)


_add(EXPLAIN, "Write what changes as a finding shrinks and grows.", explain.explain, explain.EPILOG)
_add(EXPLAIN, "Score radiographs, without explaining them.", classify.classify, classify.EPILOG)
_add(SERVE, "Serve models over REST and gRPC on this machine.", serve.serve, serve.EPILOG)
_add(SERVE, "Run the workers alone, for a container of their own.", torchserve.torchserve, torchserve.EPILOG)
app.add_typer(keys.app, name="keys", rich_help_panel=SERVE)
app.add_typer(pacs.app, name="pacs", rich_help_panel=SERVE, short_help="Take radiographs from a PACS, and answer it.")
app.add_typer(models.app, name="models", rich_help_panel=MODELS)
app.add_typer(train.app, name="train", rich_help_panel=MODELS, short_help="Train a model on radiographs of your own.")
app.add_typer(evaluate.app, name="evaluate", rich_help_panel=MEASURE)
app.add_typer(study.app, name="study", rich_help_panel=MEASURE, short_help="Run a reader study in browsers.")
_add(HELP, "Check this machine, and say what to do.", doctor.doctor, doctor.EPILOG)


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
