"""``cxrshift torchserve``: the workers alone, for a container of their own behind a gateway."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ..defaults import DEFAULT_MODEL
from .console import Screen
from .examples import epilog
from .exits import errors_told
from .models import resolve_model
from .options import AsJsonEvents, PrecisionName, RuntimeName
from .ports import require_ports
from .serve_options import BatchSize, Gpu, Heap, Host, Models, RejectUnsuitable, Threads, Workers

EPILOG = epilog(
    "cxrshift torchserve --host 0.0.0.0 --folder /tmp/torchserve",
    "cxrshift torchserve --model ./my-model --gpu --workers 2",
    "python -m cxrshift.serving.probe 127.0.0.1:8080 cxr-small",
    notes="The last one tells whether a worker really answers. TorchServe has neither authentication nor TLS: whoever "
    "reaches it can use it. Let the gateway alone reach it. With --json its own log goes to standard error.",
    exits="The command becomes TorchServe's front end and ends as that does: 143 after SIGTERM. Before: 1 a file "
    "cannot be written, 2 wrong option, or a model that must not be served.",
)


def torchserve(
    model: Models = None,
    host: Host = "127.0.0.1",
    rest_port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="For probes.")] = 8080,
    grpc_port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="For the gateway.")] = 7070,
    workers: Workers = 1,
    batch_size: BatchSize = 8,
    threads: Threads = 0,
    gpu: Gpu = False,
    runtime: RuntimeName = "",
    precision: PrecisionName = "",
    reject_unsuitable: RejectUnsuitable = False,
    heap: Heap = 1024,
    queue: Annotated[
        int, typer.Option(min=1, metavar="N", help="Requests that may wait for a worker, for each model.")
    ] = 100,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Everything that is written goes here: built models, configuration, sockets.",
            show_default="a fresh one",
        ),
    ] = None,
    as_json: AsJsonEvents = False,
) -> None:
    """Run TorchServe in the foreground, for a gateway (python -m cxrshift.gateway) that runs elsewhere."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..serving.foreground import ForegroundConfig, become_torchserve
        from ..serving.store import StoreSettings

        folders = tuple(resolve_model(each) for each in model or [DEFAULT_MODEL])
        config = ForegroundConfig(
            models=folders,
            folder=folder or Path(tempfile.mkdtemp(prefix="cxrshift-ts-")),
            host=host,
            rest_port=rest_port,
            grpc_port=grpc_port,
            store=StoreSettings(
                workers=workers,
                batch_size=batch_size,
                threads=threads,
                use_gpu=gpu,
                runtime=runtime,
                precision=precision,
                reject_unsuitable=reject_unsuitable,
            ),
            heap_mebibytes=heap,
            job_queue_size=queue,
        )

        require_ports(screen, (("REST", host, rest_port), ("gRPC", host, grpc_port)))

        def before() -> None:
            """Say where it will be, and leave standard output to that alone."""
            if as_json:
                screen.tell({"event": "starting", "rest": f"http://{host}:{rest_port}", "grpc": f"{host}:{grpc_port}"})
                os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        become_torchserve(config, before=before)
