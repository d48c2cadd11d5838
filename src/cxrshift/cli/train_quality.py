"""``cxrshift train quality``: learn from radiographs where a model's quality cards warn."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import train_options as given
from .console import Screen
from .examples import epilog
from .exits import errors_told
from .options import AsJsonDocument
from .results import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.model import Model
    from ..image.radiograph import Radiograph
    from ..training.quality import LearntQuality

EPILOG = epilog(
    "cxrshift train quality ./my-model images --model-version 1.0.1",
    "cxrshift train quality model_store/phantom --phantoms 400",
)


def quality(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", exists=True, file_okay=False, help="A model folder of any kind; it is changed."
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            show_default=False,
            help="Images and manifest.csv, those that trained the model: file, labels, patient_group or patient.",
        ),
    ] = None,
    dataset: given.Datasets = None,
    split_seed: given.SplitSeed = 0,
    cache: given.Cache = None,
    workers: given.Workers = 2,
    phantoms: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Phantoms for the limits where no folder is named; and four times as many for what is familiar.",
            show_default=False,
        ),
    ] = 0,
    budget: Annotated[
        float, typer.Option(min=0, max=0.5, metavar="SHARE", help="Of ordinary radiographs, that may be warned of.")
    ] = 0.015,
    version: Annotated[
        str,
        typer.Option("--model-version", metavar="VERSION", help="The changed model's.", show_default="it stays"),
    ] = "",
    device: given.Device = "cpu",
    threads: given.Threads = 0,
    as_json: AsJsonDocument = False,
) -> None:
    """Learn what is unlike a model's radiographs and where its quality cards warn; write both into its folder.

    What is familiar is learnt from the training patients, the limits from the validation patients. Weights stay.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..models.loader import load_model
        from ..training.machine import prepare
        from ..training.quality import learn_limits, write_quality

        if (folder is None) == (phantoms == 0):
            raise typer.BadParameter("Name a folder of radiographs, or a number of --phantoms.")
        prepare(device, threads)
        loaded = load_model(model.resolve(), device=device)
        if folder is None:
            training, validation = _draw(screen, loaded, phantoms)
        else:
            kept = cache or model.with_name(model.resolve().name + ".run")
            training, validation = _read(screen, loaded, folder, dataset or [], split_seed, kept, workers)
        with screen.progress("measuring radiographs", None) as bar:
            learnt = learn_limits(loaded, training, validation, budget=budget, progress=bar.set)
        write_quality(model, learnt, version=version)
        counts = {"training": learnt.training, "validation": learnt.validation, "warned": learnt.warned}
        limits = finite(asdict(learnt.limits))
        screen.tell({"model": str(model), "limits": limits, "past": dict(learnt.past), **counts})
        for line in learnt_lines(learnt):
            screen.say(line)
        screen.say(f"wrote {model}")


def learnt_lines(learnt: LearntQuality) -> list[str]:
    """The limits, and how many validation radiographs are past each."""
    lines = [f"{'limit':18} {'':>8} {'past':>5}  of {learnt.validation} radiographs; reference: {learnt.training}"]
    lines += [f"{name:18} {getattr(learnt.limits, name):8.4f} {count:5}" for name, count in learnt.past]
    return [*lines, f"{'any of them':27} {learnt.warned:5}  ({learnt.warned / learnt.validation:.1%})"]


def _draw(screen: Screen, model: Model, count: int) -> tuple[Sequence[Radiograph], Sequence[Radiograph]]:
    from ..training.phantom_model import CALIBRATION_SEEDS, TRAINING_SEEDS
    from ..training.quality import draw_radiographs

    side, total = model.spec.input_size, 5 * count
    with screen.progress("drawing phantoms", total) as bar:
        training = draw_radiographs(TRAINING_SEEDS, 4 * count, side, lambda done: bar.set(done, total))
        validation = draw_radiographs(CALIBRATION_SEEDS, count, side, lambda done: bar.set(4 * count + done, total))
    return training, validation


def _read(
    screen: Screen, model: Model, folder: Path, datasets: list[str], split_seed: int, cache: Path, workers: int
) -> tuple[Sequence[Radiograph], Sequence[Radiograph]]:
    from ..training.picture_folder import Source, read_folder
    from ..training.quality import pictures_as_radiographs
    from ..training.splits import Split

    with screen.progress("reading pictures", None) as bar:
        source = Source(folder, model.spec.input_size, tuple(datasets), None, split_seed)
        pictures = read_folder(source, cache=cache, workers=workers, progress=bar.set)
    training, validation = (pictures.part(split).images for split in (Split.TRAIN, Split.VALIDATION))
    return pictures_as_radiographs(training), pictures_as_radiographs(validation)
