"""Holds every map against masks, radiograph by radiograph: what ``evaluate localisation`` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from cxrshift_api.types import Explanation, Float32Array, Problem

from ..core.engine import Engine
from ..core.model import LatentModel, Model
from ..core.preprocess import square_pixels
from ..image.radiograph import Radiograph
from .localisation import Mask, overlap, peak_is_inside, precision_and_recall, square_mask
from .localisation_report import CENTRE, MEAN_MASK, RANDOM, TWIN, LocalisationReport, Outcome, Truth, summarise
from .maps import MapOptions, make_maps, possible_methods
from .samples import Sample, Samples, SamplesError

VISIBLE = 0.05
"""Change of a pixel, as a share of the grey scale, above which a finding shows in it."""

_CENTRE_WIDTH = 0.25
_MASK_BLUR = 0.015
"""Standard deviations, as shares of the width: of the centred map, and of what breaks the ties of a mean of masks."""


@dataclass(frozen=True)
class Example:
    """One case to look at; every array is (S, S), and as the model sees it.

    ``radiograph`` (S, S) in [0, 1]. ``finding`` is what is explained, ``sample`` the radiograph's name. ``mask`` (S, S)
    bool: where the finding is. ``maps`` (S, S) float32 ≥ 0 and ``ious`` in [0, 1], by method.
    """

    finding: str
    sample: str
    radiograph: Float32Array
    mask: Mask
    maps: Mapping[str, Float32Array]
    ious: Mapping[str, float]


@dataclass(frozen=True)
class _Case:
    """A finding of a sample, with its mask at the model's size and without any map."""

    blank: Outcome
    mask: Mask

    def hold(self, method: str, heatmap: Float32Array) -> Outcome:
        """One map against the mask."""
        precision, recall = precision_and_recall(heatmap, self.mask)
        return replace(
            self.blank,
            method=method,
            iou=overlap(heatmap, self.mask),
            pointed=peak_is_inside(heatmap, self.mask),
            precision=precision,
            recall=recall,
        )


def study_localisation(
    model: Model | LatentModel,
    samples: Samples,
    *,
    options: MapOptions | None = None,
    truth: Truth = Truth.MASK,
    detected: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LocalisationReport:
    """Every map of every masked finding that the model knows, of every sample.

    ``detected`` keeps only findings that the model calls present. ``seed`` draws the resamples and the random map;
    ``progress`` is told how many samples are done, and of how many. Raises SamplesError where no case is left.
    """
    engine = Engine(model)
    options = options or MapOptions()
    options = replace(options, methods=possible_methods(engine, options.methods))
    outcomes: list[Outcome] = []
    cases: list[_Case] = []
    refused = outside = 0
    for position, sample in enumerate(samples):
        known = _masked(engine, sample)
        mapped = make_maps(engine, sample.radiograph, known, options) if known else {}
        for finding, made in mapped.items():
            if isinstance(made, Problem):
                refused += 1
                continue
            if detected and _score(made.explanation) < made.explanation.operating_point:
                continue
            case = _case(position, sample, made.explanation, truth)
            if not case.mask.any():
                outside += 1
                continue
            cases.append(case)
            maps = {**made.maps, **_baselines(sample, finding, case.mask.shape[0], (seed, position))}
            outcomes += [case.hold(method, heatmap) for method, heatmap in maps.items()]
        progress(position + 1, len(samples))
    if not cases:
        raise SamplesError("No explained finding with a mask is left; name other samples, or a model that knows them.")
    outcomes += _mean_masks(cases)
    rows, differences = summarise(outcomes, [known.name for known in engine.spec.findings], seed=seed)
    return LocalisationReport(
        engine.spec.name,
        engine.spec.version,
        samples.source,
        truth,
        options,
        refused,
        outside,
        rows,
        differences,
        tuple(outcomes),
    )


def show_examples(
    model: Model | LatentModel, samples: Samples, report: LocalisationReport, *, count: int = 3
) -> tuple[Example, ...]:
    """The report's examples with their maps, made once more.

    Raises SamplesError where ``samples`` are not those of it.
    """
    engine = Engine(model)
    return tuple(_show(engine, samples.load(chosen.position), chosen, report) for chosen in report.examples(count))


def _show(engine: Engine, sample: Sample, chosen: Outcome, report: LocalisationReport) -> Example:
    made = make_maps(engine, sample.radiograph, [chosen.finding], report.options)[chosen.finding]
    if isinstance(made, Problem):
        raise AssertionError("a finding that was explained once is explained again")
    case = _case(chosen.position, sample, made.explanation, report.truth)
    picture = square_pixels(sample.radiograph, engine.spec.input_size).numpy()
    ious = {method: overlap(heatmap, case.mask) for method, heatmap in made.maps.items()}
    return Example(chosen.finding, chosen.sample, picture, case.mask, made.maps, ious)


def _masked(engine: Engine, sample: Sample) -> list[str]:
    return [known.name for known in engine.spec.findings if known.trained and known.name in sample.masks]


def _score(explanation: Explanation) -> float:
    return float(explanation.radiograph_scores[explanation.findings.index(explanation.finding)])


def _case(position: int, sample: Sample, explanation: Explanation, truth: Truth) -> _Case:
    finding, size = explanation.finding, explanation.heatmap.shape[0]
    if truth is Truth.MASK:
        mask = square_mask(sample.masks[finding], size)
    elif finding in sample.changes:
        mask = _square(sample.changes[finding], size) > VISIBLE
    else:
        raise SamplesError("Where a finding shows is known of phantoms only; hold these maps against their masks.")
    blank = Outcome(
        position=position,
        sample=sample.name,
        group=sample.group,
        finding=finding,
        method="",
        score=_score(explanation),
        area=float(mask.mean()),
        iou=0.0,
        pointed=False,
        precision=0.0,
        recall=0.0,
    )
    return _Case(blank, mask)


def _square(picture: Float32Array, size: int) -> Float32Array:
    return np.asarray(square_pixels(Radiograph(picture), size).numpy(), dtype=np.float32)


def _baselines(sample: Sample, finding: str, size: int, seed: tuple[int, int]) -> dict[str, Float32Array]:
    axis = (np.arange(size) + 0.5) / size - 0.5
    squares = axis[:, None] ** 2 + axis[None, :] ** 2
    maps = {
        RANDOM: np.random.default_rng(seed).random((size, size), dtype=np.float32),
        CENTRE: np.exp(-squares / (2.0 * _CENTRE_WIDTH**2)).astype(np.float32),
    }
    if finding in sample.changes:
        maps[TWIN] = _square(sample.changes[finding], size)
    return maps


def _mean_masks(cases: Sequence[_Case]) -> Iterator[Outcome]:
    """Each case against the mean mask of its finding in all other groups; none where no other group has one."""
    sums: dict[tuple[str, str], Float32Array] = {}
    for case in cases:
        for key in ((case.blank.finding, ""), (case.blank.finding, case.blank.group)):
            sums[key] = sums.get(key, np.zeros(case.mask.shape, np.float32)) + case.mask
    for case in cases:
        others = sums[case.blank.finding, ""] - sums[case.blank.finding, case.blank.group]
        if others.any():
            smoothed = ndimage.gaussian_filter(others, _MASK_BLUR * others.shape[1])
            yield case.hold(MEAN_MASK, smoothed)
