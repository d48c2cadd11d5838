"""``cxrshift serve``: the whole service on this machine, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..defaults import DEFAULT_MODEL
from .console import Screen
from .examples import epilog
from .exits import ExitCode, Trouble, errors_told
from .models import resolve_model
from .options import AsJsonEvents, PrecisionName, RuntimeName
from .ports import require_ports
from .serve_options import BatchSize, Gpu, Heap, Host, Models, RejectUnsuitable, Threads, Workers

if TYPE_CHECKING:
    from ..serving.events import ServeEvent

EPILOG = epilog(
    "cxrshift serve",
    "cxrshift serve --model phantom --model ./my-model --host 0.0.0.0",
    "cxrshift serve --rest-port 0 --grpc-port 0 --metrics-port 0 --json",
    notes="The first model is the default one. SIGTERM or Ctrl-C lets what was begun finish, then stops.",
    exits="Exit codes: 0 stopped on request, 1 it did not start or a part of it died, 2 wrong option or model.",
)

_PORT = "0 chooses a free one."


def serve(
    model: Models = None,
    host: Host = "127.0.0.1",
    rest_port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help=f"For REST. {_PORT}")] = 8000,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help=f"For gRPC. {_PORT}")] = 8001,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help=f"For Prometheus. {_PORT}")
    ] = 8002,
    workers: Workers = 1,
    batch_size: BatchSize = 8,
    threads: Threads = 0,
    gpu: Gpu = False,
    runtime: RuntimeName = "",
    precision: PrecisionName = "",
    reject_unsuitable: RejectUnsuitable = False,
    heap: Heap = 1024,
    grace: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long a stop waits for what was begun.")
    ] = 30.0,
    store: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the built models here for the next start.", show_default=False),
    ] = None,
    as_json: AsJsonEvents = False,
) -> None:
    """Serve models over REST and gRPC: starts TorchServe and the gateway, prints "ready: ..." once they answer."""
    screen = Screen(as_json=as_json)
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
        require_ports(screen, (("REST", host, rest_port), ("gRPC", host, grpc_port), ("metrics", host, metrics_port)))
        with screen.waiting("starting TorchServe and the gateway") as come:

            def announce(event: ServeEvent) -> None:
                come()
                _tell(screen, event)

            code = run(config, announce=announce)
    raise typer.Exit(code)


def _tell(screen: Screen, event: ServeEvent) -> None:
    members: dict[str, object] = {"event": event.name, **dict(event.addresses)}
    if event.name == "failed":
        code = Trouble.MODEL if event.exit_code == ExitCode.USAGE else Trouble.NOT_STARTED
        members["problem"] = {"code": code, "message": event.line, "exit_code": event.exit_code}
    screen.tell(members)
    screen.say(event.line)
