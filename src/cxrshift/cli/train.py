"""``cxrshift train``: an autoencoder and a classifier from a folder of radiographs with labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import train_options as given
from . import train_quality
from .console import Screen
from .examples import epilog
from .exits import EXIT_CODES, errors_told
from .options import AsJsonEvents
from .results import finite
from .stops import stops_heeded

if TYPE_CHECKING:
    from ..training.fit import Progress, Validated
    from ..training.pictures import PictureSet
    from ..training.radiograph_card import CardFacts
    from ..training.radiograph_model import Conduct

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog=epilog(
        "cxrshift train autoencoder images --out runs/autoencoder",
        "cxrshift train classifier images --autoencoder runs/autoencoder --out my-model",
    ),
)
_EXITS = f"{EXIT_CODES} 130 or 143 stopped by a signal."
app.command(epilog=train_quality.EPILOG)(train_quality.quality)

_AGAIN = (
    "Stopped or killed, it goes on where it was when the same command is run again, and ends with the same weights "
    "(same machine, same number of threads)."
)


@dataclass(frozen=True)
class _Choice:
    """Which pictures, as the options say."""

    folder: Path
    datasets: list[str]
    xrv: str
    xrv_csv: Path | None
    masks: Path | None
    split_seed: int
    cache: Path
    workers: int


@app.callback()
def train() -> None:
    """Train the networks of a model on radiographs: first the autoencoder, then the classifier.

    A patient's pictures are all for training, or all for validation, or all held back for the report.
    """


@app.command(
    epilog=epilog("cxrshift train autoencoder images --out runs/autoencoder --bf16", notes=_AGAIN, exits=_EXITS)
)
def autoencoder(
    folder: given.Folder,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="RUN", help="The run's folder: checkpoint, weights, report.")
    ],
    size: given.Size = 128,
    dataset: given.Datasets = None,
    xrv: given.Xrv = "",
    xrv_csv: given.XrvTable = None,
    split_seed: given.SplitSeed = 0,
    cache: given.Cache = None,
    workers: given.Workers = 2,
    steps: given.Steps = 9000,
    batch: given.Batch = 32,
    rate: given.Rate = 2e-3,
    weight_decay: given.Decay = 1e-3,
    average: given.Average = 0.998,
    width: given.Width = 32,
    latent: given.Latent = 72,
    ssim_weight: given.SsimWeight = 0.15,
    noise: given.Noise = 0.06,
    augment: given.Augment = 1.0,
    flip: given.Flip = 0.0,
    seed: given.Seed = 0,
    device: given.Device = "cpu",
    bf16: given.BFloat = False,
    threads: given.Threads = 0,
    validate_every: given.Every = 500,
    patience: given.Patience = 8,
    checkpoint_every: given.CheckpointEvery = 200,
    as_json: AsJsonEvents = False,
) -> None:
    """Train an autoencoder to reproduce radiographs, on affine and elastic variations of them."""
    screen = Screen(as_json=as_json)
    with errors_told(screen), stops_heeded(screen) as stop:
        from ..training.fit import Schedule
        from ..training.machine import prepare
        from ..training.radiograph_model import Conduct, train_autoencoder
        from ..training.radiographs import AutoencoderRecipe

        prepare(device, threads)
        choice = _Choice(folder, dataset or [], xrv, xrv_csv, None, split_seed, cache or out, workers)
        pictures = _read(screen, choice, size)
        recipe = AutoencoderRecipe(
            width=width,
            latent=latent,
            schedule=Schedule(steps, batch, rate, weight_decay, seed, average),
            ssim_weight=ssim_weight,
            latent_noise=noise,
            augmentation=replace(AutoencoderRecipe().augmentation.scaled(augment), flip=flip),
            bf16=bf16,
        )
        conduct = Conduct(out, device, validate_every, patience, checkpoint_every, stop)
        with _watched(screen, conduct, "autoencoder", steps) as watched:
            figures = train_autoencoder(pictures, recipe, watched)
        screen.tell({"event": "done", "out": str(out), "reconstruction": finite(asdict(figures))})
        screen.say(f"{figures.pictures} held-back pictures: MAE {figures.mae:.1f} of 2048, SSIM {figures.ssim:.3f}")
        screen.say(f"wrote {out}")


@app.command(
    epilog=epilog(
        "cxrshift train classifier images --autoencoder runs/autoencoder --out my-model --name my-model",
        notes=_AGAIN,
        exits=_EXITS,
    )
)
def classifier(
    folder: given.Folder,
    autoencoder: Annotated[
        Path,
        typer.Option(
            "--autoencoder",
            metavar="RUN",
            exists=True,
            file_okay=False,
            help="A run of `train autoencoder`, or a model folder of the kind compact.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL", help="The model folder to write.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Of the model.", show_default="the folder's")] = "",
    version: Annotated[str, typer.Option(metavar="VERSION", help="Of the model.")] = "0.1.0",
    summary: Annotated[str, typer.Option(metavar="TEXT", help="What the model is, in one line.")] = (
        "A small autoencoder and classifier trained on radiographs. Not for clinical use."
    ),
    note: Annotated[str, typer.Option(metavar="TEXT", help="For the card: where the pictures are from.")] = "",
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The folder of the checkpoint.", show_default="MODEL.run beside it"),
    ] = None,
    start: given.Start = None,
    finding: given.Findings = None,
    dataset: given.Datasets = None,
    masks: given.Masks = None,
    xrv: given.Xrv = "",
    xrv_csv: given.XrvTable = None,
    split_seed: given.SplitSeed = 0,
    cache: given.Cache = None,
    workers: given.Workers = 2,
    steps: given.Steps = 4500,
    batch: given.Batch = 32,
    rate: given.Rate = 4e-3,
    weight_decay: given.Decay = 0.05,
    average: given.Average = 0.995,
    width: given.Width = 32,
    smooth_label: given.SmoothLabel = 0.03,
    map_weight: given.MapWeight = 10.0,
    positive_weight: given.PositiveWeight = 0.0,
    pictures_first: given.PicturesFirst = 0.75,
    mixed: given.Mixed = 0.5,
    picture_mixed: given.PictureMixed = 0.0,
    consistency: given.Consistency = 0.0,
    noise: given.Noise = 0.06,
    augment: given.Augment = 1.0,
    flip: given.Flip = 0.0,
    seed: given.Seed = 0,
    device: given.Device = "cpu",
    bf16: given.BFloat = False,
    threads: given.Threads = 0,
    validate_every: given.Every = 250,
    patience: given.Patience = 8,
    checkpoint_every: given.CheckpointEvery = 200,
    as_json: AsJsonEvents = False,
) -> None:
    """Train a classifier on pictures and on what the autoencoder makes of them, and write a model folder."""
    screen = Screen(as_json=as_json)
    with errors_told(screen), stops_heeded(screen) as stop:
        from ..training.fit import Schedule
        from ..training.machine import prepare
        from ..training.model_folder import Identity, read_autoencoder, read_classifier
        from ..training.radiograph_model import Conduct, train_classifier
        from ..training.radiographs import ClassifierRecipe

        prepare(device, threads)
        trained = read_autoencoder(autoencoder)
        started = read_classifier(start) if start else None
        run = run or out.with_name(out.name + ".run")
        choice = _Choice(folder, dataset or [], xrv, xrv_csv, masks, split_seed, cache or run, workers)
        pictures = _read(screen, choice, trained.side)
        pictures = pictures.of_findings(finding or pictures.findings)
        recipe = ClassifierRecipe(
            width=width,
            schedule=Schedule(steps, batch, rate, weight_decay, seed, average),
            smooth_label=smooth_label,
            map_weight=map_weight,
            positive_weight=positive_weight,
            pictures_first=pictures_first,
            mixed=mixed,
            picture_mixed=picture_mixed,
            consistency=consistency,
            latent_noise=noise,
            augmentation=replace(ClassifierRecipe().augmentation.scaled(augment), flip=flip),
            bf16=bf16,
        )
        conduct = Conduct(run, device, validate_every, patience, checkpoint_every, stop)
        identity = Identity(name or out.resolve().name, version, summary)
        with _watched(screen, conduct, "classifier", steps) as watched:
            facts = train_classifier(
                pictures, trained, recipe, watched, out=out, identity=identity, start=started, data_note=note
            )
        screen.tell({"event": "done", "out": str(out), **finite(asdict(facts))})
        for line in facts_lines(facts):
            screen.say(line)
        screen.say(f"wrote {out}")


def facts_lines(facts: CardFacts) -> list[str]:
    """What was measured on held-back patients, as a table for people."""
    copies = facts.reconstruction
    lines = [
        f"{'finding':20} {'present':>7} {'AUROC':>6} {'copies':>6} {'gap':>6} {'point':>6} {'sens.':>6} {'spec.':>6}"
    ]
    for row in facts.findings:
        one = row.figures
        numbers = (one.auroc, one.auroc_of_reconstructions, one.gap, row.operating_point)
        shares = f"{row.sensitivity:6.2f} {row.specificity:6.2f}"
        lines.append(f"{one.finding:20} {one.present:7} {' '.join(f'{n:6.3f}' for n in numbers)} {shares}")
    lines.append(f"mean AUROC {facts.mean_auroc:.3f} over {len(facts.counted)} findings present on 20 or more")
    lines.append(f"{copies.pictures} held-back pictures: MAE {copies.mae:.1f} of 2048, SSIM {copies.ssim:.3f}")
    return lines


def _read(screen: Screen, choice: _Choice, size: int) -> PictureSet:
    from ..training.picture_folder import Source, read_folder
    from ..training.xrv_pictures import from_xrv, open_xrv

    with screen.progress("reading pictures", None) as bar:
        if choice.xrv:
            dataset = open_xrv(choice.xrv, choice.folder, choice.xrv_csv)
            return from_xrv(dataset, side=size, cache=choice.cache, split_seed=choice.split_seed, progress=bar.set)
        source = Source(choice.folder, size, tuple(choice.datasets), choice.masks, choice.split_seed)
        return read_folder(source, cache=choice.cache, workers=choice.workers, progress=bar.set)


@contextmanager
def _watched(screen: Screen, conduct: Conduct, what: str, steps: int) -> Iterator[Conduct]:
    """``conduct`` with a bar that shows where it stands, and a line for each validation."""
    with screen.progress(what, steps) as bar:

        def report(at: Progress) -> None:
            bar.set(at.step, at.steps)
            bar.name(f"{what}, loss {at.loss:.4f}")

        def validated(found: Validated) -> None:
            figures = ", ".join(f"{name} {value:.4g}" for name, value in found.figures.items())
            numbers = {"step": found.step, "steps": steps, "value": found.value, "figures": dict(found.figures)}
            screen.tell({"event": "validated", **finite(numbers)})
            screen.say(f"step {found.step} of {steps}: validation {found.value:.4f} ({figures})")

        yield replace(conduct, report=report, validated=validated)
