"""``cxrshift models``: which there are, where to get more, how to make them servable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Screen
from .exits import errors_told
from .models_import import EXAMPLES, import_files
from .options import AsJson, PrecisionName, RuntimeName

if TYPE_CHECKING:
    from cxrshift_api.types import ModelInfo

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

Name = Annotated[str, typer.Argument(metavar="NAME", help="For example xrv-densenet121-res224-all.")]
Into = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where the model's folder is made.", show_default="your own models"),
]


@app.command("list")
def list_models(
    server: Annotated[
        str,
        typer.Option(metavar="URL", help="List what this service serves instead, for example grpc://127.0.0.1:8001."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the installed models, or with --server those that a service serves."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        for info, place in _served(server) if server else _installed():
            names = [finding.finding for finding in info.findings if finding.trained]
            screen.tell({**asdict(info), "place": place})
            flags = ", default" if info.default else ""
            screen.say(f"{info.name}  version {info.version}, {info.input_size} pixels{flags}  {place}")
            screen.say(f"  {info.summary}" if info.summary else "")
            screen.say(f"  {len(names)} findings: {', '.join(names)}")


def _served(server: str) -> list[tuple[ModelInfo, str]]:
    from .askers import open_client

    with open_client(server) as client:
        return [(info, server) for info in client.list_models()]


def _installed() -> list[tuple[ModelInfo, str]]:
    from cxrshift_api.types import FindingScore, ModelInfo

    from ..models.folders import known_models
    from ..models.manifest import read_manifest

    found = []
    for folder in known_models():
        manifest = read_manifest(folder)
        findings = tuple(FindingScore(f.name, 0.0, f.operating_point, f.trained) for f in manifest.findings)
        info = ModelInfo(manifest.name, manifest.version, manifest.summary, manifest.input_size, findings)
        found.append((info, str(folder)))
    return found


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift models pull xrv-densenet121-res224-all")
def pull(name: Name, out: Into = None) -> None:
    """Fetch a torchxrayvision model over the network and install it.

    Without a network, fetch the two files elsewhere and use `cxrshift models import`.
    """
    screen = Screen()
    with errors_told(screen):
        from ..models.imports import pull_xrv

        with screen.progress(f"fetching {name}", None) as bar:
            folder = pull_xrv(name, out=out, progress=lambda file, done, total: bar.set(done, total))
        screen.say(f"installed {folder}")


app.command("import", epilog=EXAMPLES)(import_files)


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift models build phantom ./my-model --out store")
def build(
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS...", help="Names of installed models, or folders written ./FOLDER.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The store that TorchServe loads.")],
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Worker processes for each model.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Radiographs explained together.")] = 8,
    batch_delay: Annotated[
        int, typer.Option(min=0, metavar="MS", help="Milliseconds that a lone request waits for company.")
    ] = 1,
    gpu: Annotated[bool, typer.Option("--gpu", help="Run the workers on GPUs.")] = False,
    runtime: RuntimeName = "",
    precision: PrecisionName = "",
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Export each model and see which runtime is fastest here.")
    ] = True,
) -> None:
    """Build model folders into what TorchServe loads; every weight file is checked against its SHA-256.

    Then each model is exported for the runtimes that this machine has, once: minutes for a large one. The workers
    take the fastest whose answers are those of the networks.
    """
    screen = Screen()
    with errors_told(screen):
        from ..serving.store import StoreSettings, build_store

        settings = StoreSettings(
            workers=workers,
            batch_size=batch_size,
            max_batch_delay_ms=batch_delay,
            use_gpu=gpu,
            runtime=runtime,
            precision=precision,
        )
        folders = [resolve_model(model) for model in models]
        screen.say(f"built {build_store(folders, out, settings=settings)}")
        if measure:
            measure_runtimes(screen, folders, device="cuda:0" if gpu else "cpu")


def measure_runtimes(screen: Screen, folders: Sequence[Path], *, device: str) -> None:
    """Export each model, time it in every runtime, and tell the table. Raises ModelError, OSError."""
    from ..models.loader import load_model
    from ..runtime import available, measure

    for folder in folders:
        model = load_model(folder, device=device, runtime="torch")
        with screen.progress(f"{model.spec.name}: export and measure", len(available(device))) as bar:
            speeds = measure(model, told=bar.step)
        best = min((s.milliseconds for s in speeds if s.milliseconds is not None), default=None)
        for s in speeds:
            told = s.why_not if s.milliseconds is None else f"{s.milliseconds:8.1f} ms a row"
            screen.say(
                f"  {model.spec.name} in {s.runtime}, {s.precision}: {told}{'  <- fastest' * (s.milliseconds == best)}"
            )


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift models check ./my-model")
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An installed model, or a folder written ./FOLDER.")],
) -> None:
    """Check that a model can be explained: its files, their shapes, its scores, a gradient that is not zero."""
    screen = Screen()
    with errors_told(screen):
        from ..models.own import check_folder

        spec = check_folder(resolve_model(model)).spec
        screen.say(f"{spec.name} version {spec.version} can be served: {len(spec.findings)} findings")


def resolve_model(name_or_folder: str) -> Path:
    """The folder of an installed model's name, or the folder itself. Raises ModelError."""
    import re

    from ..models.folders import find_model
    from ..models.manifest import NAME_PATTERN

    return find_model(name_or_folder) if re.fullmatch(NAME_PATTERN, name_or_folder) else Path(name_or_folder)
