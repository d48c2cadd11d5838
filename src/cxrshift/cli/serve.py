"""``cxrshift serve``: the whole service on this machine, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..defaults import DEFAULT_MODEL
from .console import Screen
from .exits import errors_told
from .models import resolve_model
from .options import PrecisionName, RuntimeName

EPILOG = """
[bold]Examples[/bold]

cxrshift serve

cxrshift serve --model phantom --model ./my-model --host 0.0.0.0

The first model is the default one. SIGTERM or Ctrl-C lets what was begun finish, then stops.

Exit codes: 0 stopped on request, 1 it did not start or a part of it died, 2 wrong option or model.
"""

_PORT = "0 chooses a free one."


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="An installed model, or a model folder written ./FOLDER; may be given several times.",
            show_default=DEFAULT_MODEL,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 = on every network.")
    ] = "127.0.0.1",
    rest_port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help=f"For REST. {_PORT}")] = 8000,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help=f"For gRPC. {_PORT}")] = 8001,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help=f"For Prometheus. {_PORT}")
    ] = 8002,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Worker processes for each model.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Radiographs explained together.")] = 8,
    threads: Annotated[
        int, typer.Option(min=0, metavar="N", help="CPU threads of each worker; 0 = torch's own choice.")
    ] = 0,
    gpu: Annotated[bool, typer.Option("--gpu", help="Run the workers on GPUs.")] = False,
    runtime: RuntimeName = "",
    precision: PrecisionName = "",
    reject_unsuitable: Annotated[
        bool,
        typer.Option(
            "--reject-unsuitable",
            help="Refuse lateral views, other parts of the body and images unlike the model's training radiographs, "
            "instead of explaining them with a warning.",
        ),
    ] = False,
    heap: Annotated[int, typer.Option(min=256, metavar="MIB", help="Memory of TorchServe's front end, in MiB.")] = 1024,
    grace: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long a stop waits for what was begun.")
    ] = 30.0,
    store: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the built models here for the next start.", show_default=False),
    ] = None,
) -> None:
    """Serve models over REST and gRPC: starts TorchServe and the gateway, prints "ready: ..." once they answer."""
    screen = Screen()
    with errors_told(screen):
        from ..serving.serve import serve as run
        from ..serving.stack import StackConfig
        from ..serving.store import StoreSettings

        config = StackConfig(
            models=tuple(resolve_model(each) for each in model or [DEFAULT_MODEL]),
            host=host,
            rest_port=rest_port,
            grpc_port=grpc_port,
            metrics_port=metrics_port,
            store=StoreSettings(
                workers=workers,
                batch_size=batch_size,
                threads=threads,
                use_gpu=gpu,
                runtime=runtime,
                precision=precision,
                reject_unsuitable=reject_unsuitable,
            ),
            store_folder=store,
            heap_mebibytes=heap,
            drain_grace=grace,
        )
        code = run(config)
    raise typer.Exit(code)
