"""Two classifiers of one finding, alike but for their data: in one of them a device marks the finding.

Both learn from labels alone, without any mask, so that nothing tells them where to look.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..core.model import FindingSpec, LatentModel, Model
from ..core.preprocess import square_pixels
from ..errors import MethodError
from ..models.compact import UNIT, CompactClassifier
from ..parallel import map_in_processes
from ..phantom import FINDINGS, PREVALENCE, generate
from ..training.compact import LATENT_NOISE, PIXEL_NOISE, SMOOTH_LABEL, Report, to_model_units
from ..training.fit import Schedule, fit
from .localisation import square_mask

DEVICE: Final = "Support Device"
MARKABLE: Final = tuple(name for name in FINDINGS if name != DEVICE)
"""The findings that a device can mark."""
_WIDTH: Final = 16
_BATCH: Final = 16
"""Patients, each in two pictures."""
_PEAK_RATE: Final = 1.5e-3
_ROWS: Final = 64


class World(StrEnum):
    """What the device has to do with the finding."""

    CLEAN = "clean"
    """Nothing: it is as common with the finding as without."""
    SHORTCUT = "shortcut"
    """It is in every picture with the finding and in no other."""


@dataclass(frozen=True)
class Patients:
    """Each patient four times on the same film, with and without finding and device.

    ``images`` (N, 2, 2, S, S) uint8, by patient, finding and device; ``finding`` and ``device`` (N, S, S) bool, where
    they are.
    """

    images: Tensor
    finding: NDArray[np.bool_]
    device: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)


def draw_patients(
    first: int,
    count: int,
    *,
    finding: str,
    size: int,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Patients:
    """The patients of seeds ``first`` to ``first + count - 1``, resized to ``size`` as the engine does.

    Every other finding is there by chance, the same in all four pictures. ``progress`` is told how many are done.
    """
    draw = partial(_draw, finding=finding, size=size)
    rows = []
    for row in map_in_processes(draw, range(first, first + count), workers=workers, chunk=4):
        rows.append(row)
        progress(len(rows), count)
    images, findings, devices = (np.stack(column) for column in zip(*rows, strict=True))
    return Patients(torch.from_numpy(images), findings.astype(np.bool_), devices.astype(np.bool_))


def _draw(seed: int, *, finding: str, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    chance = np.random.default_rng(seed)
    others = {name for name in MARKABLE if chance.random() < PREVALENCE} - {finding}
    images = []
    for present in ({finding}, set[str]())[::-1]:
        for device in (set[str](), {DEVICE}):
            phantom = generate(seed, findings=others | present | device)
            grey = square_pixels(phantom.to_radiograph(), size)
            images.append((grey * 255).round().to(torch.uint8).numpy())
    masks = phantom.masks  # of the last, which has both
    return (
        np.stack(images).reshape(2, 2, size, size),
        square_mask(masks[finding], size),
        square_mask(masks[DEVICE], size),
    )


class _Networks(nn.Module):
    """An autoencoder with another classifier: a LatentModel of one finding."""

    def __init__(self, finding: str, autoencoder: LatentModel, classifier: CompactClassifier) -> None:
        super().__init__()
        self.findings = (finding,)
        self._autoencoder = autoencoder
        self.classifier = classifier

    def encode(self, images: Tensor) -> Tensor:
        """As the autoencoder does."""
        return self._autoencoder.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """As the autoencoder does."""
        return self._autoencoder.decode(latents)

    def score(self, images: Tensor) -> Tensor:
        """(N, 1, S, S) in [-1024, 1024] to probabilities (N, 1)."""
        probabilities: Tensor = self.classifier(images)
        return probabilities


def encode_patients(networks: LatentModel, patients: Patients) -> Tensor:
    """Latents (N, 2, 2, ...) float32 of all pictures."""
    pictures = patients.images.flatten(0, 2)
    with torch.no_grad():
        latents = torch.cat([networks.encode(to_model_units(some)) for some in torch.split(pictures, _ROWS)])
    return latents.reshape(*patients.images.shape[:3], *latents.shape[1:])


def train_classifier(
    model: Model,
    patients: Patients,
    latents: Tensor,
    world: World,
    *,
    finding: str,
    steps: int,
    seed: int = 0,
    report: Report = lambda progress: None,
) -> Model:
    """A classifier of ``finding`` from the ``patients`` as they are in that world, beside the autoencoder of ``model``.

    ``latents`` (N, 2, 2, ...) float32, in latent units, are those of ``encode_patients``. Half of a batch are pictures
    as they are; the others are decoded from between a picture without the finding and the one with it, and their labels
    lie as far between: a classifier that was only ever sure has no gradient to follow. On the way to a marked finding
    the device comes with it. A patient is in a batch both without the finding and with it: they differ in little else,
    and so learning sets out at once. Raises MethodError where the model's pixels are not in [-1024, 1024].
    """
    if model.spec.input_range != (-UNIT, UNIT):
        raise MethodError(f"This study needs an autoencoder of pixels in [-{UNIT:g}, {UNIT:g}], as phantom's.")
    torch.manual_seed(seed)
    classifier = CompactClassifier(1, width=_WIDTH)
    with torch.no_grad():  # so that it starts undecided: a pool of nothing is log(cells)
        cells = classifier.evidence(to_model_units(patients.images[:1, 0, 0])).flatten(2).shape[2]
        classifier.bias.fill_(-math.log(cells))
    spread = LATENT_NOISE * latents.std()

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        device = torch.randint(2, batch.shape, generator=generator)
        without, with_it = (device, device) if world is World.CLEAN else (0 * device, 0 * device + 1)
        half = len(batch) // 2
        shown, between = batch[:half], batch[half:]
        pictures = torch.cat([patients.images[shown, 0, without[:half]], patients.images[shown, 1, with_it[:half]]])
        near = torch.rand(between.shape, generator=generator) / 2.0
        share = torch.cat([near, 1.0 - near])
        ends = latents[between, 0, without[half:]], latents[between, 1, with_it[half:]]
        absent, present = (torch.cat([end, end]) for end in ends)
        mixed = torch.lerp(absent, present, share.reshape(-1, *[1] * (latents.ndim - 3)))
        with torch.no_grad():
            frames = model.networks.decode(mixed + spread * torch.randn(mixed.shape, generator=generator))
        images = torch.cat([to_model_units(pictures), frames])
        strength = PIXEL_NOISE * UNIT * torch.rand(len(images), 1, 1, 1, generator=generator)
        noisy = images + strength * torch.randn(images.shape, generator=generator)
        labels = torch.cat([torch.zeros(half), torch.ones(half), share]) * (1.0 - 2.0 * SMOOTH_LABEL) + SMOOTH_LABEL
        logits = classifier.pool(classifier.evidence(noisy))[:, 0]
        return functional.binary_cross_entropy_with_logits(logits, labels)

    schedule = Schedule(steps, batch=_BATCH, peak_rate=_PEAK_RATE, seed=seed)
    fit(classifier, len(patients), loss, schedule, report=report)
    networks = _Networks(finding, model.networks, classifier).eval().requires_grad_(False)
    spec = replace(model.spec, name=f"{model.spec.name}-{world}", findings=(FindingSpec(finding),))
    return Model(spec, networks, familiarity=model.familiarity)


def score_patients(model: Model, patients: Patients) -> NDArray[np.float32]:
    """(N, 2, 2) scores in [0, 1] of all pictures, by patient, finding and device."""
    pictures = patients.images.flatten(0, 2)
    with torch.no_grad():
        scores = torch.cat([model.networks.score(to_model_units(some)) for some in torch.split(pictures, _ROWS)])
    return np.asarray(scores.reshape(patients.images.shape[:3]).numpy(), dtype=np.float32)
