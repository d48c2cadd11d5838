"""Whether explanations are true to the classifier: what ``evaluate faithfulness`` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift_api.types import Explanation, Float32Array, Problem, StopReason

from ..core.engine import Engine
from ..core.model import LatentModel, Model
from ..core.passes import Passes, probabilities
from ..core.preprocess import prepare
from ..core.quality import structural_similarity
from .faithfulness_report import (
    OTHER_RADIOGRAPH,
    Compared,
    FaithfulnessReport,
    Moved,
    Perturbed,
    Realism,
    summarise_curves,
    summarise_movements,
    summarise_sanity,
)
from .intervals import Bootstrap
from .localisation_report import RANDOM
from .maps import MapOptions, Mapped, make_maps, possible_methods
from .perturbation import Baseline, erase, perturb
from .realism import halved_distance, pool_latents, project, tell_apart
from .samples import Sample, Samples, SamplesError
from .sanity import highest_overlap, randomise, rank_correlation

STAGES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the classifier's weights that the sanity check randomises, one after the other."""

SANITY_CASES = 16
"""Number of explanations that the sanity check takes."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class _Seen:
    """A present finding, explained and mapped, kept for the sanity check."""

    sample: Sample
    finding: str
    mapped: Mapped


@dataclass
class _Notes:
    """What piles up on the way through the samples."""

    moved: list[Moved]
    perturbed: list[Perturbed]
    latents: list[tuple[str, NDArray[np.float64]]]
    """Of each explained sample its group, and the pooled latents of four images (4, C)."""
    seen: list[_Seen]
    refused: int = 0


def study_faithfulness(
    model: Model | LatentModel,
    samples: Samples,
    *,
    options: MapOptions | None = None,
    baseline: Baseline = Baseline.BLURRED,
    sanity_cases: int = SANITY_CASES,
    seed: int = 0,
    progress: Tell = lambda done, total: None,
) -> FaithfulnessReport:
    """Explain every present and one absent finding of every sample, and measure what that shows.

    Curves and the sanity check are of present findings, the latter of the first ``sanity_cases`` of them. ``seed``
    draws absent findings, random orders, weights and resamples; ``progress`` is told how many samples are done, and
    of how many, a sanity case counting as one. Raises SamplesError where nothing could be explained.
    """
    engine = Engine(model)
    options = options or MapOptions()
    options = replace(options, methods=possible_methods(engine, options.methods))
    notes = _Notes([], [], [], [])
    total = len(samples) + sanity_cases
    for position, sample in enumerate(samples):
        _study_sample(engine, sample, options, baseline, notes, np.random.default_rng((seed, position)))
        progress(position + 1, total)
    if not notes.moved:
        raise SamplesError("Nothing could be explained; name other samples, or a model that knows their findings.")
    checked = notes.seen[:sanity_cases]
    compared, unexplained = _check_sanity(engine.model, checked, options, seed, lambda n: progress(total - n, total))
    bootstrap = Bootstrap([case.group for case in notes.moved], seed=seed)
    return FaithfulnessReport(
        model=engine.spec.name,
        version=engine.spec.version,
        source=samples.source,
        options=options,
        baseline=baseline,
        samples=len(samples),
        refused=notes.refused,
        movements=summarise_movements(notes.moved, [f.name for f in engine.spec.findings], bootstrap),
        realism=_realism(notes.latents, seed),
        curves=summarise_curves(notes.perturbed, bootstrap),
        sanity=summarise_sanity(compared, bootstrap),
        unexplained=unexplained,
    )


def _study_sample(
    engine: Engine, sample: Sample, options: MapOptions, baseline: Baseline, notes: _Notes, rng: np.random.Generator
) -> None:
    trained = [known.name for known in engine.spec.findings if known.trained]
    present = [name for name in trained if name in sample.findings]
    absent = [name for name in trained if name not in sample.findings]
    asked = [*present, *([str(rng.choice(absent))] if absent else [])]
    made = make_maps(engine, sample.radiograph, present, options) if present else {}
    made |= make_maps(engine, sample.radiograph, asked[len(present) :], replace(options, methods=()))
    image = prepare(sample.radiograph, engine.spec)
    first: Explanation | None = None
    for finding in asked:
        mapped = made[finding]
        if isinstance(mapped, Problem):
            notes.refused += 1
            continue
        first = first or mapped.explanation
        notes.moved.append(_movement(sample, finding in present, mapped.explanation, engine))
        if finding in present:
            notes.seen.append(_Seen(sample, finding, mapped))
            notes.perturbed += _perturbed(engine, sample.group, image[0].numpy(), finding, mapped, baseline, rng)
    if first is not None:
        notes.latents.append((sample.group, _latents(engine, image, first)))


def _movement(sample: Sample, present: bool, explanation: Explanation, engine: Engine) -> Moved:
    column = explanation.findings.index(explanation.finding)
    zero, curve = explanation.zero_frame, explanation.score_curve
    low, high = engine.spec.input_range
    frames = torch.from_numpy(explanation.frames_in_model_units())
    others = [frame for i, frame in enumerate(frames) if i != zero]
    similarities = [structural_similarity(frames[zero], frame, data_range=high - low) for frame in others]
    return Moved(
        sample=sample.name,
        group=sample.group,
        finding=explanation.finding,
        present=present,
        score=float(explanation.radiograph_scores[column]),
        start=explanation.score,
        lowest=float(curve[: zero + 1].min()),
        highest=float(curve[zero:].max()),
        operating_point=explanation.operating_point,
        monotonicity=explanation.quality.monotonicity,
        ssim=float(np.mean(similarities)),
        held_back=StopReason.PIXEL_CHANGE in (explanation.below.stop, explanation.above.stop),
    )


def _perturbed(
    engine: Engine,
    group: str,
    image: Float32Array,
    finding: str,
    mapped: Mapped,
    baseline: Baseline,
    rng: np.random.Generator,
) -> Iterator[Perturbed]:
    passes = Passes(engine.model)
    column = mapped.explanation.findings.index(finding)

    def score(images: Tensor) -> NDArray[np.floating]:
        return probabilities(passes.score(images))[:, column]

    erased = erase(image, baseline, darkest=engine.spec.input_range[0])
    maps = {**mapped.maps, RANDOM: rng.random(image.shape, dtype=np.float32)}
    for method, heatmap in maps.items():
        yield Perturbed(group, method, perturb(score, image, erased, heatmap))


def _latents(engine: Engine, image: Tensor, explanation: Explanation) -> NDArray[np.float64]:
    """Pooled latents (4, C) of the radiograph, its reconstruction, and the frames of the lowest and highest λ."""
    frames = torch.from_numpy(explanation.frames_in_model_units())[:, None]
    chosen = torch.stack([image, frames[explanation.zero_frame], frames[0], frames[-1]])
    return pool_latents(Passes(engine.model).encode(chosen))


def _realism(latents: Sequence[tuple[str, NDArray[np.float64]]], seed: int) -> tuple[Realism, ...]:
    groups = [group for group, _ in latents]
    if len(groups) < 4:
        return ()
    pooled = list(np.stack([four for _, four in latents], axis=1))
    real, reconstructed, *_ = spaces = project(pooled[0], *pooled[1:])
    return tuple(
        Realism(
            images=name,
            to_real=halved_distance(real, space, seed=seed),
            to_reconstructions=halved_distance(reconstructed, space, seed=seed),
            told_from_reconstructions=tell_apart(pooled[1], own, groups) if own is not pooled[1] else 0.5,
        )
        for name, space, own in zip(
            ("radiographs", "reconstructions", "curtailed", "exaggerated"), spaces, pooled, strict=True
        )
    )


def _check_sanity(
    model: Model, cases: Sequence[_Seen], options: MapOptions, seed: int, left: Callable[[int], None]
) -> tuple[list[Compared], int]:
    """Every case's maps against those of another radiograph, and of a classifier randomised stage by stage."""
    compared: list[Compared] = []
    for case, other in zip(cases, [*cases[1:], *cases[:1]], strict=True):
        if other.sample.group != case.sample.group:
            compared += _compare(case, other.mapped, OTHER_RADIOGRAPH)
    unexplained = 0
    for number, case in enumerate(cases, 1):
        image = prepare(case.sample.radiograph, model.spec)[None]
        for share in STAGES:
            engine = Engine(randomise(model, image, share=share, seed=seed + number))
            mapped = make_maps(engine, case.sample.radiograph, [case.finding], options)[case.finding]
            if isinstance(mapped, Problem):
                unexplained += 1
            else:
                compared += _compare(case, mapped, f"{share:.0%}")
        left(len(cases) - number)
    return compared, unexplained


def _compare(case: _Seen, mapped: Mapped, stage: str) -> Iterator[Compared]:
    for method, before in case.mapped.maps.items():
        after = mapped.maps[method]
        yield Compared(
            case.sample.group, method, stage, rank_correlation(before, after), highest_overlap(before, after)
        )
