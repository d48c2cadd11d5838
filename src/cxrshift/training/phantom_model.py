"""The embedded model from nothing: ``python -m cxrshift.training.phantom_model``, which ``make train-phantom`` calls.

Draws the phantoms, trains both networks, sets the operating points on phantoms of other seeds, measures the result on
yet others, and writes a model folder that serves as it is.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn

from cxrshift_api.types import FileDigest

from ..evaluation.phantom import evaluate_phantom
from ..models.compact import (
    AUTOENCODER_FILE,
    CLASSIFIER_FILE,
    UNIT,
    CompactAutoencoder,
    CompactClassifier,
)
from ..models.loader import load_model
from ..models.manifest import CARD_NAME, Manifest, ManifestFinding, write_manifest
from ..phantom import FINDINGS
from . import fit
from .compact import to_model_units, train_autoencoder, train_classifier
from .model_card import write_card
from .phantoms import PhantomSet, draw_phantoms

SIDE = 128
"""Pixels along each side of the model's input."""
TRAINING_SEEDS = 2_000_000
"""First seed of the phantoms to train on."""
CALIBRATION_SEEDS = 1_000_000
"""First seed of those that set the operating points."""
CALIBRATION_COUNT = 1024
"""Number of those."""
AUTOENCODER = {"width": 32, "latent": 64}
CLASSIFIER = {"width": 32}
SUMMARY = "A small autoencoder and classifier trained on synthetic chest radiographs. For demonstration only."


@dataclass(frozen=True)
class Recipe:
    """How much to draw and how long to train; the defaults are those of the model in the repository."""

    phantoms: int = 12_000
    """Number of phantoms to train on, each with its twin."""
    autoencoder_steps: int = 5_000
    """Steps of the autoencoder's training."""
    classifier_steps: int = 3_000
    """Steps of the classifier's training."""
    seed: int = 0
    """What draws weights, batches and noise, from 0."""
    bf16: bool = True


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the model folder."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("model_store/phantom"), help="the model folder to write")
    parser.add_argument("--cache", type=Path, default=Path("out/phantoms"), help="where drawn phantoms are kept")
    parser.add_argument("--version", default="1.0.2", help="the version that the manifest states")
    parser.add_argument("--phantoms", type=int, default=defaults.phantoms)
    parser.add_argument("--autoencoder-steps", type=int, default=defaults.autoencoder_steps)
    parser.add_argument("--classifier-steps", type=int, default=defaults.classifier_steps)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--float32", action="store_true", help="train in float32 where bfloat16 is slow or absent")
    parser.add_argument("--evaluate", type=int, default=1000, metavar="N", help="phantoms to measure the result on")
    given = parser.parse_args(arguments)
    recipe = Recipe(given.phantoms, given.autoencoder_steps, given.classifier_steps, given.seed, bf16=not given.float32)
    train_phantom_model(recipe, out=given.out, cache=given.cache, version=given.version, evaluate=given.evaluate)


def train_phantom_model(
    recipe: Recipe, *, out: Path, cache: Path, version: str, evaluate: int, calibration: int = CALIBRATION_COUNT
) -> None:
    """Make the model folder ``out``; phantoms are drawn into ``cache``, or found there.

    ``evaluate`` and ``calibration`` are numbers of phantoms: those measured for the card, and those that set the
    operating points.
    """
    torch.manual_seed(recipe.seed)
    with _bar("drawing phantoms", recipe.phantoms + calibration) as bar:
        data = draw_phantoms(TRAINING_SEEDS, recipe.phantoms, size=SIDE, cache=cache, progress=bar.add)
        other = draw_phantoms(CALIBRATION_SEEDS, calibration, size=SIDE, cache=cache, progress=bar.add)
    autoencoder = CompactAutoencoder(**AUTOENCODER)
    classifier = CompactClassifier(len(FINDINGS), **CLASSIFIER)
    schedule = fit.Schedule(recipe.autoencoder_steps, seed=recipe.seed)
    with _bar("autoencoder", schedule.steps) as bar:
        train_autoencoder(autoencoder, data, schedule, bf16=recipe.bf16, report=bar.show)
    autoencoder.requires_grad_(False)
    schedule = fit.Schedule(recipe.classifier_steps, seed=recipe.seed)
    with _bar("classifier", schedule.steps) as bar:
        train_classifier(classifier, autoencoder, data, schedule, bf16=recipe.bf16, report=bar.show)
    points = operating_points(score(classifier, other), other.labels[:, 0].numpy() > 0)
    write_model(out, autoencoder, classifier, points, version)
    with _bar("measuring", 1) as bar:
        report = evaluate_phantom(load_model(out), n=evaluate, seed=0, progress=bar.move)
    (out / CARD_NAME).write_text(write_card(report, recipe, calibration), "utf-8")


def score(classifier: CompactClassifier, data: PhantomSet) -> NDArray[np.float32]:
    """(N, F) scores in [0, 1] of all phantoms, without their twins."""
    with torch.no_grad():
        parts: list[Tensor] = [classifier(to_model_units(images)) for images in torch.split(data.images[:, 0], 64)]
    return torch.cat(parts).numpy()


def operating_points(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> tuple[float, ...]:
    """For each finding the threshold, of hundredths, with the highest sensitivity + specificity (Youden's index).

    ``scores`` (N, F) are in [0, 1], ``labels`` (N, F) say what is present. Of several equal thresholds, which a good
    classifier has, the one nearest 0.5.
    """
    thresholds = np.arange(1, 100) / 100
    points = []
    for column, label in zip(scores.T, labels.T, strict=True):
        called = column[None, :] >= thresholds[:, None]
        index = called[:, label].mean(1) - called[:, ~label].mean(1)
        best = thresholds[index >= index.max() - 1e-9]
        points.append(float(best[np.abs(best - 0.5).argmin()]))
    return tuple(points)


def write_model(
    out: Path, autoencoder: CompactAutoencoder, classifier: CompactClassifier, points: Sequence[float], version: str
) -> None:
    """Write weights and manifest into the folder ``out``.

    ``points`` are operating points in [0, 1], one for each finding.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = []
    networks: tuple[tuple[str, nn.Module], ...] = ((AUTOENCODER_FILE, autoencoder), (CLASSIFIER_FILE, classifier))
    for name, network in networks:
        save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, out / name)
        files.append(FileDigest(name, hashlib.sha256((out / name).read_bytes()).hexdigest()))
    manifest = Manifest(
        name="phantom",
        version=version,
        summary=SUMMARY,
        kind="compact",
        input_size=SIDE,
        input_range=(-UNIT, UNIT),
        findings=tuple(ManifestFinding(name, point) for name, point in zip(FINDINGS, points, strict=True)),
        files=tuple(files),
        networks={"autoencoder": AUTOENCODER, "classifier": CLASSIFIER},
    )
    write_manifest(manifest, out)


class _Bar:
    """One line of progress."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=total, note="")

    def add(self, done: int) -> None:
        self._progress.advance(self._task, done)

    def move(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def show(self, at: fit.Progress) -> None:
        self._progress.update(self._task, completed=at.step, note=f"loss {at.loss:.4f}")


@contextmanager
def _bar(name: str, total: int) -> Iterator[_Bar]:
    columns = (
        TextColumn("{task.description:>18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns) as progress:
        yield _Bar(progress, name, total)


if __name__ == "__main__":
    main()
