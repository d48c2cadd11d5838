"""``cxrshift models import``: a torchxrayvision model from its released files, or a model of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .completion import complete_models
from .console import Screen
from .examples import epilog
from .exits import errors_told
from .options import AsJsonDocument

if TYPE_CHECKING:
    from ..errors import ModelError
    from ..models.manifest import ManifestFinding
    from ..models.own import OwnAutoencoder

EPILOG = epilog(
    "cxrshift models import classifier.onnx --autoencoder phantom --findings Effusion,Mass=0.3 --name my-model",
    "cxrshift models import classifier.pt2 --encoder encoder.pt2 --decoder decoder.pt2 --findings Effusion "
    "--name my-model --output logit",
    "cxrshift models import xrv-densenet121-res224-all --classifier densenet.pt --autoencoder autoencoder.pt",
)
SUFFIXES = (".pt2", ".pt", ".ts", ".onnx")
_OWN = "Your own model"
_BRIDGE = "What your classifier takes and returns"

Subject = Annotated[
    str,
    typer.Argument(
        metavar="FILE|NAME",
        help="Your classifier: torch.export (.pt2), ONNX (.onnx) or TorchScript (.pt, .ts). "
        "Or the name of a torchxrayvision model, for example xrv-densenet121-res224-all.",
    ),
]
AutoencoderSource = Annotated[
    str,
    typer.Option(
        "--autoencoder",
        metavar="MODEL|FILE",
        help="For your classifier an installed model, or a folder written ./FOLDER, whose autoencoder is copied. "
        "For a torchxrayvision model its released file.",
        autocompletion=complete_models,
    ),
]
Classifier = Annotated[
    Path | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Of a torchxrayvision model: as it was released."),
]
Into = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where the model's folder is made.", show_default="your own models"),
]
Name = Annotated[str, typer.Option(metavar="NAME", help="What the model is called.", rich_help_panel=_OWN)]
Findings = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="One for each output, in order, between commas; NAME=0.3 sets its operating point (otherwise 0.5).",
        rich_help_panel=_OWN,
    ),
]
NetworkFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Half of an autoencoder of your own, in one of the same formats.",
        rich_help_panel=_OWN,
    ),
]
AutoencoderSize = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=4096,
        metavar="PIXELS",
        help="Side of the encoder's pictures.",
        show_default="what its file states",
        rich_help_panel=_OWN,
    ),
]
AutoencoderRange = Annotated[
    str,
    typer.Option(metavar="LOW,HIGH", help="The encoder's units of black and white.", rich_help_panel=_OWN),
]
Output = Annotated[
    Literal["probability", "logit", "softmax"],
    typer.Option(help="softmax: logits of classes that exclude each other.", rich_help_panel=_BRIDGE),
]
InputSize = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=4096,
        metavar="PIXELS",
        help="Side of its pictures.",
        show_default="what the file states, else the autoencoder's",
        rich_help_panel=_BRIDGE,
    ),
]
InputRange = Annotated[
    str,
    typer.Option(
        metavar="LOW,HIGH",
        help="Its units of black and white, before --mean and --std.",
        show_default="the autoencoder's",
        rich_help_panel=_BRIDGE,
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=3,
        metavar="1|3",
        help="Copies of the grey picture that it takes.",
        show_default="what the file states, else 1",
        rich_help_panel=_BRIDGE,
    ),
]
Mean = Annotated[str, typer.Option(metavar="NUMBERS", help="Subtracted from each channel.", rich_help_panel=_BRIDGE)]
Std = Annotated[str, typer.Option(metavar="NUMBERS", help="Then divides each channel.", rich_help_panel=_BRIDGE)]


def import_files(
    subject: Subject,
    autoencoder: AutoencoderSource = "",
    classifier: Classifier = None,
    out: Into = None,
    name: Name = "",
    findings: Findings = "",
    encoder: NetworkFile = None,
    decoder: NetworkFile = None,
    autoencoder_size: AutoencoderSize = None,
    autoencoder_range: AutoencoderRange = "-1024,1024",
    output: Output = "probability",
    input_size: InputSize = None,
    input_range: InputRange = "",
    channels: Channels = None,
    mean: Mean = "",
    std: Std = "",
    as_json: AsJsonDocument = False,
) -> None:
    """Install a model of your own from its files, or a torchxrayvision model from its two released ones.

    Your classifier needs an autoencoder: that of an installed model, or your own in two files. Everything is checked
    before the model is installed: shapes, the range of the scores, a gradient that is not zero. Nothing is unpickled
    freely; a TorchScript file is a program of its author's all the same, so prefer torch.export or ONNX.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        if Path(subject).suffix not in SUFFIXES:
            with screen.waiting("reading and probing the networks"):
                folder = _import_released(subject, classifier, autoencoder, out)
            tell_installed(screen, folder)
            return
        if classifier is not None:
            raise _refuse("--classifier is for torchxrayvision models; your own classifier is named first.")
        from ..models.imported_bridge import read_bridge
        from ..models.own import OwnModel, import_own

        stated = {
            "output": output,
            "input_size": input_size,
            "input_range": _numbers("--input-range", input_range),
            "channels": channels,
            "mean": _numbers("--mean", mean),
            "std": _numbers("--std", std),
        }
        own = OwnModel(
            name=_required("--name", name),
            classifier=Path(subject),
            autoencoder=_autoencoder(autoencoder, encoder, decoder, autoencoder_size, autoencoder_range),
            findings=_findings(_required("--findings", findings)),
            bridge=read_bridge({key: value for key, value in stated.items() if value is not None and value != ()}),
        )
        with screen.waiting("reading and probing the networks"):
            folder = import_own(own, out=out)
        tell_installed(screen, folder)


def tell_installed(screen: Screen, folder: Path) -> None:
    """Say where the model now is."""
    screen.tell({"name": folder.name, "folder": str(folder)})
    screen.say(f"installed {folder}")


def _import_released(name: str, classifier: Path | None, autoencoder: str, out: Path | None) -> Path:
    from ..models.imports import import_xrv

    if classifier is None or not autoencoder:
        raise _refuse("A torchxrayvision model needs --classifier FILE and --autoencoder FILE, as released.")
    return import_xrv(name, classifier=classifier, autoencoder=Path(autoencoder), out=out)


def _autoencoder(
    source: str, encoder: Path | None, decoder: Path | None, size: int | None, units: str
) -> OwnAutoencoder | Path:
    from ..models.own import OwnAutoencoder
    from .models import resolve_model

    if source and encoder is None and decoder is None:
        return resolve_model(source)
    if source or encoder is None or decoder is None:
        raise _refuse("Name the autoencoder: --autoencoder MODEL (an installed one), or --encoder and --decoder.")
    low_high = _numbers("--autoencoder-range", units)
    if len(low_high) != 2:
        raise _refuse("--autoencoder-range must be two numbers, the lower first: LOW,HIGH.")
    return OwnAutoencoder(encoder, decoder, size, (low_high[0], low_high[1]))


def _findings(text: str) -> tuple[ManifestFinding, ...]:
    """``Effusion,Mass=0.3`` to findings. Raises ModelError."""
    from ..models.manifest import ManifestFinding

    found = []
    for part in text.split(","):
        name, sign, point = (piece.strip() for piece in part.partition("="))
        try:
            found.append(ManifestFinding(name, float(point) if sign else 0.5))
        except ValueError as error:
            raise _refuse(f"--findings: {part.strip()} has no number behind =; write NAME or NAME=0.3.") from error
    return tuple(found)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise _refuse(f"{option} must be numbers between commas.") from error


def _required(option: str, value: str) -> str:
    if not value:
        raise _refuse(f"Your own model needs {option}; cxrshift models import --help shows an example.")
    return value


def _refuse(message: str) -> ModelError:
    from ..errors import ModelError

    return ModelError(message)
