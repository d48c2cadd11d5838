"""``cxrshift models``: which there are, where to get more, how to make them servable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_models
from .console import Screen
from .examples import epilog
from .exits import errors_told
from .models_import import EPILOG, import_files, tell_installed
from .options import AsJson, AsJsonDocument, PrecisionName, RuntimeName

if TYPE_CHECKING:
    from cxrshift_api.types import ModelInfo

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List, fetch, import, check and build models.",
    epilog=epilog(
        "cxrshift models list",
        "cxrshift models pull xrv-densenet121-res224-all",
        "cxrshift models build cxr-small --out store",
    ),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="For example xrv-densenet121-res224-all.")]
Into = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where the model's folder is made.", show_default="your own models"),
]


@app.command(
    "list",
    epilog=epilog("cxrshift models list", "cxrshift models list --server http://127.0.0.1:8000 --json"),
)
def list_models(
    server: Annotated[
        str,
        typer.Option(metavar="URL", help="List what this service serves instead, for example grpc://127.0.0.1:8001."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the installed models, or with --server those that a service serves."""
    screen = Screen(as_json=as_json)
    with errors_told(screen, no_service="Without --server the models installed here are listed."):
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


@app.command(epilog=epilog("cxrshift models pull xrv-densenet121-res224-all"))
def pull(name: Name, out: Into = None, as_json: AsJsonDocument = False) -> None:
    """Fetch a torchxrayvision model over the network and install it.

    Without a network, fetch the two files elsewhere and use `cxrshift models import`.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..models.imports import pull_xrv

        with screen.progress(f"fetching {name}", None) as bar:
            folder = pull_xrv(name, out=out, progress=lambda file, done, total: bar.set(done, total))
        tell_installed(screen, folder)


app.command("import", epilog=EPILOG)(import_files)


@app.command(
    epilog=epilog("cxrshift models build cxr-small --out store", "cxrshift models build phantom ./my-model --out store")
)
def build(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODELS...",
            help="Names of installed models, or folders written ./FOLDER.",
            autocompletion=complete_models,
        ),
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
    as_json: AsJsonDocument = False,
) -> None:
    """Build model folders into what TorchServe loads; every weight file is checked against its SHA-256.

    Then each model is exported for the runtimes that this machine has, once: minutes for a large one. The workers
    take the fastest whose answers are those of the networks.
    """
    screen = Screen(as_json=as_json)
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
        store = build_store(folders, out, settings=settings)
        screen.say(f"built {store}")
        speeds = measure_runtimes(screen, folders, device="cuda:0" if gpu else "cpu") if measure else []
        screen.tell({"store": str(store), "models": [str(folder) for folder in folders], "speeds": speeds})


def measure_runtimes(screen: Screen, folders: Sequence[Path], *, device: str) -> list[dict[str, object]]:
    """Export each model, time it in every runtime, and say the table; its rows. Raises ModelError, OSError."""
    from ..models.loader import load_model
    from ..runtime import available, measure

    rows: list[dict[str, object]] = []
    for folder in folders:
        model = load_model(folder, device=device, runtime="torch")
        with screen.progress(f"{model.spec.name}: export and measure", len(available(device))) as bar:
            speeds = measure(model, told=bar.step)
        best = min((s.milliseconds for s in speeds if s.milliseconds is not None), default=None)
        for s in speeds:
            rows.append({"model": model.spec.name, **asdict(s)})
            told = s.why_not if s.milliseconds is None else f"{s.milliseconds:8.1f} ms a row"
            screen.say(
                f"  {model.spec.name} in {s.runtime}, {s.precision}: {told}{'  <- fastest' * (s.milliseconds == best)}"
            )
    return rows


@app.command(epilog=epilog("cxrshift models check cxr-small", "cxrshift models check ./my-model --json"))
def check(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="An installed model, or a folder written ./FOLDER.", autocompletion=complete_models
        ),
    ],
    as_json: AsJsonDocument = False,
) -> None:
    """Check that a model can be explained: its files, their shapes, its scores, a gradient that is not zero."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..models.own import check_folder

        with screen.waiting("loading and probing the model"):
            spec = check_folder(resolve_model(model)).spec
        trained = [finding.name for finding in spec.findings if finding.trained]
        screen.tell({"name": spec.name, "version": spec.version, "findings": trained})
        screen.say(f"{spec.name} version {spec.version} can be served: {len(spec.findings)} findings")


def resolve_model(name_or_folder: str) -> Path:
    """The folder of an installed model's name, or the folder itself. Raises ModelError."""
    import re

    from ..models.folders import find_model
    from ..models.names import NAME_PATTERN

    return find_model(name_or_folder) if re.fullmatch(NAME_PATTERN, name_or_folder) else Path(name_or_folder)
