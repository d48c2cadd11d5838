"""The options that several commands share, each with its unit and its range in its help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..defaults import DEFAULT_MODEL
from .completion import complete_models, complete_precisions, complete_runtimes

ProfileName = Literal["two-sided", "latentshift", "gifsplanation", "fixed"]
HeatmapName = Literal["max", "mean", "first-to-last", "integrated"]


RUNTIMES = ("auto", "torch", "torch-graph", "onnxruntime", "tensorrt", "openvino")
PRECISIONS = ("float32", "tfloat32", "bfloat16", "float16")


class SaliencyName(StrEnum):
    """The contract's SaliencyKind, without what that imports: a list's members cannot be a Literal to typer."""

    INPUT_GRADIENT = "input-gradient"
    INTEGRATED_GRADIENTS = "integrated-gradients"
    GUIDED_BACKPROPAGATION = "guided-backpropagation"


DEFAULT_SERVER = "grpc://127.0.0.1:8001"

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILES...",
        help="Radiographs: DICOM, PNG, JPEG or NPY; of a folder or a DICOMDIR, those that are in it.",
        show_default=False,
    ),
]
Server = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="CXRSHIFT_SERVER",
        help="The service to ask: grpc://HOST:8001, grpcs://, http://HOST:8000 or https://. Its API key or token is "
        "in the file that CXRSHIFT_TOKEN_FILE names, certificates to trust in the one that CXRSHIFT_CA_FILE names.",
        rich_help_panel="Who answers",
    ),
]
Local = Annotated[
    bool,
    typer.Option("--local", help="Run the engine in this process, without a service.", rich_help_panel="Who answers"),
]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A served model; with --local an installed one, or a model folder written ./FOLDER.",
        show_default=f"the service's own; with --local {DEFAULT_MODEL}",
        autocompletion=complete_models,
        rich_help_panel="Who answers",
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.1,
        metavar="SECONDS",
        help="For each file: every attempt and every wait between them.",
        rich_help_panel="Who answers",
    ),
]
InFlight = Annotated[
    int, typer.Option("--in-flight", min=1, max=256, metavar="N", help="Files worked on at the same time.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON for each result.")]
AsJsonDocument = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
AsJsonEvents = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON for each thing that happens, such as ready and stopped.")
]
RuntimeName = Annotated[
    Literal["", "auto", "torch", "torch-graph", "onnxruntime", "tensorrt", "openvino"],
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="What runs the networks: torch, torch-graph, onnxruntime, tensorrt, openvino, or auto, the fastest that "
        "[bold]cxrshift models build[/bold] measured here.",
        show_default="the model's own",
        autocompletion=complete_runtimes,
    ),
]
PrecisionName = Annotated[
    Literal["", "float32", "tfloat32", "bfloat16", "float16"],
    typer.Option(
        "--precision",
        metavar="NAME",
        help="Of the networks' products: float32, tfloat32, bfloat16 or float16. The latent gradient stays in float32.",
        show_default="the model's own",
        autocompletion=complete_precisions,
    ),
]
