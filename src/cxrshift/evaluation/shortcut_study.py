"""Trains a classifier with a shortcut and one without, and looks where the maps put their energy.

Energy on a region is the sum of the map within it over the sum of the whole map: the energy-based pointing game of
Score-CAM (Wang et al. 2020, arXiv 1910.01279), here with the device as the region.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import ndimage

from cxrshift_api.types import Float32Array, Problem

from ..core.engine import Engine
from ..core.model import Model
from ..errors import MethodError
from ..image.radiograph import Radiograph
from .localisation import Mask
from .maps import MapOptions, make_maps, possible_methods
from .phantom import FIRST_SEED, SEEDS_APART
from .samples import SamplesError
from .shortcut_classifiers import (
    MARKABLE,
    Patients,
    World,
    draw_patients,
    encode_patients,
    score_patients,
    train_classifier,
)
from .shortcut_report import Case, ShortcutReport, describe_classifier, describe_methods

MARGIN: Final = 0.025
"""How far beyond its mask the device reaches in a map, as a share of the picture's width: edges of frames are soft."""
EXAMPLES: Final = 2
"""Number of pictures to look at."""
_TRAINING: Final = SEEDS_APART // 2
"""Seeds of training start so far behind those of the test."""

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Amount:
    """How much to draw and how long to train."""

    patients: int = 600
    """Number of patients to train on."""
    steps: int = 600
    """Steps of training, of either classifier."""
    test: int = 100
    """Number of other patients to explain."""
    workers: int = 2
    """Number of processes that draw."""


@dataclass(frozen=True)
class Example:
    """A picture to look at, as the model sees it.

    ``radiograph`` (S, S) in [0, 1]. ``finding`` and ``device`` (S, S) bool: where they are. ``maps`` (S, S) float32 ≥ 0
    and ``shares`` in [0, 1], by world and method.
    """

    patient: int
    """Index, from 0, of the patient."""
    radiograph: Float32Array
    finding: Mask
    device: Mask
    maps: Mapping[World, Mapping[str, Float32Array]]
    shares: Mapping[World, Mapping[str, float]]


def study_shortcut(
    model: Model,
    *,
    finding: str,
    amount: Amount | None = None,
    options: MapOptions | None = None,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> tuple[ShortcutReport, tuple[Example, ...]]:
    """Train both classifiers beside the autoencoder of ``model`` and explain them on the same pictures.

    The pictures are those of other patients and show both ``finding`` and device. The first of them are the examples.
    Raises MethodError for a finding that no device can mark and for a model whose pixels are not in [-1024, 1024],
    SamplesError where nothing could be explained.
    """
    if finding not in MARKABLE:
        raise MethodError(f"A device can mark {', '.join(MARKABLE)}; name one of them.")
    amount = amount or Amount()
    first = FIRST_SEED + seed * SEEDS_APART

    def draw(start: int, count: int, what: str) -> Patients:
        return draw_patients(
            start,
            count,
            finding=finding,
            size=model.spec.input_size,
            workers=amount.workers,
            progress=lambda done, total: progress(what, done, total),
        )

    training = draw(first + _TRAINING, amount.patients, "drawing patients")
    test = draw(first, amount.test, "drawing other patients")
    models = _train(model, training, finding, amount.steps, seed, progress)
    options = options or MapOptions()
    options = replace(options, methods=possible_methods(Engine(models[World.CLEAN]), options.methods))
    shown = list(_explain(models, test, options, progress))
    if not shown:
        raise SamplesError("No picture could be explained under both classifiers; train them for longer.")
    cases = tuple(
        Case(one.patient, world, method, one.shares[world][method])
        for one in shown
        for world in World
        for method in options.methods
    )
    report = ShortcutReport(
        model=model.spec.name,
        version=model.spec.version,
        finding=finding,
        seed=seed,
        trained_on=len(training),
        steps=amount.steps,
        tested_on=len(test),
        area=float(np.mean([device_region(one.device, one.finding).mean() for one in shown])),
        refused=len(test) - len(shown),
        options=options,
        classifiers=tuple(describe_classifier(world, score_patients(models[world], test)) for world in World),
        methods=describe_methods(cases, options.methods, seed=seed),
        cases=cases,
    )
    return report, tuple(shown[:EXAMPLES])


def _train(
    model: Model, patients: Patients, finding: str, steps: int, seed: int, progress: Progress
) -> dict[World, Model]:
    latents = encode_patients(model.networks, patients)
    models = {}
    for world in World:
        what = f"training on {world} data"
        models[world] = train_classifier(
            model,
            patients,
            latents,
            world,
            finding=finding,
            steps=steps,
            seed=seed,
            report=lambda at, what=what: progress(what, at.step, at.steps),  # type: ignore[misc]
        )
    return models


def _explain(
    models: Mapping[World, Model], patients: Patients, options: MapOptions, progress: Progress
) -> Iterator[Example]:
    """Every patient with finding and device, under both classifiers; those who have an explanation of both."""
    engines = {world: Engine(model) for world, model in models.items()}
    for i, (finding, device) in enumerate(zip(patients.finding, patients.device, strict=True)):
        radiograph = Radiograph(patients.images[i, 1, 1].numpy().astype(np.float32) / np.float32(255.0))
        maps: dict[World, Mapping[str, Float32Array]] = {}
        for world, engine in engines.items():
            (name,) = engine.model.networks.findings
            made = make_maps(engine, radiograph, [name], options)[name]
            if not isinstance(made, Problem):
                maps[world] = made.maps
        progress("explaining both", i + 1, len(patients))
        if len(maps) == len(engines):
            region = device_region(device, finding)
            shares = {w: {m: energy_share(one, region) for m, one in own.items()} for w, own in maps.items()}
            if all(math.isfinite(share) for own in shares.values() for share in own.values()):
                yield Example(i, radiograph.pixels, finding, device, maps, shares)


def device_region(device: Mask, finding: Mask) -> Mask:
    """The pixels (S, S) that count as the device: its mask and a margin, without those where the finding is.

    ``device`` (S, S) and ``finding`` (S, S) are the masks.
    """
    distance = ndimage.distance_transform_edt(~device)
    return np.asarray((distance <= MARGIN * device.shape[1]) & ~finding, dtype=np.bool_)


def energy_share(heatmap: Float32Array, region: Mask) -> float:
    """Of the sum of a ``heatmap`` (S, S) ≥ 0, the share within ``region`` (S, S); NaN where the map is blank."""
    total = float(heatmap.sum(dtype=np.float64))
    return float(heatmap[region].sum(dtype=np.float64)) / total if total else float("nan")
