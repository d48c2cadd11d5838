"""The options that several evaluations share, and how their numbers are said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import HeatmapName

if TYPE_CHECKING:
    from ...evaluation.intervals import Interval
    from ...training import splits

SplitName = Literal["test", "validation", "train", "all"]

Evaluated = Annotated[str, typer.Option("--model", "-m", metavar="MODEL", help="An installed model, or ./FOLDER.")]
Seed = Annotated[
    int, typer.Option(min=0, metavar="SEED", help="Which phantoms, never ones trained on; also draws the resamples.")
]
Split = Annotated[SplitName, typer.Option(help="Patients to take of a folder; test is held back from training.")]
Heatmap = Annotated[HeatmapName, typer.Option(help="How Latent Shift's frames become a map; max is the paper's.")]
Blur = Annotated[
    float,
    typer.Option(min=0.0, metavar="PIXELS", help="Gaussian over every map alike, in pixels of the model's input."),
]
PixelChange = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Pixel change at which a shift stops.", show_default="the profile's own"),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write tables, JSON and figures here.", show_default=False)
]


def chosen_split(name: SplitName) -> splits.Split | None:
    """The split of that name, None for all."""
    from ...training.splits import Split as Member

    return None if name == "all" else Member(name)


def span(interval: Interval) -> str:
    """An interval's ends."""
    return f"{interval.low:.3f} to {interval.high:.3f}"
