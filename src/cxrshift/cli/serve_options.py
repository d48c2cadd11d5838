"""The options of the commands that run workers."""

from __future__ import annotations

from typing import Annotated

import typer

from ..defaults import DEFAULT_MODEL
from .completion import complete_models

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="An installed model, or a model folder written ./FOLDER; may be given several times.",
        show_default=DEFAULT_MODEL,
        autocompletion=complete_models,
    ),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 = on every network.")]
Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Worker processes for each model.")]
BatchSize = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Radiographs explained together.")]
Threads = Annotated[int, typer.Option(min=0, metavar="N", help="CPU threads of each worker; 0 = torch's own choice.")]
Gpu = Annotated[bool, typer.Option("--gpu", help="Run the workers on GPUs.")]
RejectUnsuitable = Annotated[
    bool,
    typer.Option(
        "--reject-unsuitable",
        help="Refuse lateral views, other parts of the body and images unlike the model's training radiographs, "
        "instead of explaining them with a warning.",
    ),
]
Heap = Annotated[int, typer.Option(min=256, metavar="MIB", help="Memory of TorchServe's front end, in MiB.")]
