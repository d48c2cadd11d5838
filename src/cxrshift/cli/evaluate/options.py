"""The options that several evaluations share, and how their numbers are said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..completion import complete_models
from ..options import HeatmapName

if TYPE_CHECKING:
    from ...core.model import Model
    from ...evaluation.intervals import Interval
    from ...evaluation.samples import Samples
    from ...training import splits

SplitName = Literal["test", "validation", "train", "all"]

Evaluated = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="An installed model, or ./FOLDER.", autocompletion=complete_models
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="SEED", help="Which phantoms, never ones trained on; also draws the resamples.")
]
Images = Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of images with manifest.csv.")]
Dataset = Annotated[str, typer.Option(metavar="NAME", help="Only images that manifest.csv says to be of this dataset.")]
Phantoms = Annotated[int, typer.Option(min=1, metavar="N", help="Phantoms to draw where no folder is named.")]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Images of the folder to take.")]
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


@dataclass(frozen=True)
class Chosen:
    """Which radiographs, as the options say: phantoms, or those of a folder."""

    phantoms: int
    seed: int
    images: Path | None
    dataset: str
    split: SplitName
    limit: int

    def samples(self, model: Model) -> Samples:
        """The radiographs, with the findings that the model was trained on. Raises SamplesError."""
        from ...evaluation.samples import labelled_samples, phantom_samples

        if self.images is None:
            return phantom_samples(self.phantoms, self.seed)
        trained = [finding.name for finding in model.spec.findings if finding.trained]
        split = chosen_split(self.split)
        return labelled_samples(self.images, trained, dataset=self.dataset, split=split, limit=self.limit)


def span(interval: Interval) -> str:
    """An interval's ends."""
    return f"{interval.low:.3f} to {interval.high:.3f}"
