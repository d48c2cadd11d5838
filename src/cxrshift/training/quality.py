"""Learn from radiographs where a model's quality cards warn, and write it into the model's folder.

The reference, what a familiar latent is, is learnt from the radiographs that trained the model, the limits from those
of the validation patients alone: a model is at home on what it was trained on. The reference is that of Tipping and
Bishop, JRSS B 61 (1999); what the limits limit stands in docs/method.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift_api.types import ExplainOptions, Explanation, Problem

from ..core.engine import Engine, Order
from ..core.familiarity import Familiarity
from ..core.limits import QualityLimits
from ..core.model import Model
from ..core.passes import Passes
from ..core.preprocess import prepare, square_pixels
from ..core.quality import fine_detail
from ..image.radiograph import Radiograph
from ..models.manifest import ManifestQuality, read_manifest, write_manifest
from ..models.reference import write_familiarity
from ..phantom import generate
from .failures import TrainingError

BUDGET = 0.015
"""The share of ordinary radiographs that may be warned of, all warnings together."""
COMPONENTS = 64
"""Most principal axes of a reference."""
MAX_BASIS = 400_000
"""Numbers of the basis, of two bytes each: the reference stays under a megabyte."""
FEWEST = 40
"""Radiographs of either kind, below which a limit would be a guess."""

MEASURES: Final = MappingProxyType(
    {
        "max_distance": 1,
        "min_detail": -1,
        "min_ssim": -1,
        "max_score_gap": 1,
        "min_movement": -1,
        "min_monotonicity": -1,
    }
)
"""Each limit, and the direction in which its measure becomes worse."""
_MATTERS: Final = MappingProxyType(
    {"min_detail": 0.002, "max_score_gap": 0.2, "min_movement": 0.1, "min_monotonicity": 0.8}
)
"""No limit is stricter than these: a score 0.03 away can be rare, and still no reason to doubt an explanation;
a detail of 0.002 is half a step of an 8-bit picture."""


@dataclass(frozen=True)
class LearntQuality:
    """Limits and reference, and how they were found."""

    limits: QualityLimits
    familiarity: Familiarity
    training: int
    """Number of radiographs that the reference is learnt from."""
    validation: int
    """Number of radiographs that the limits are learnt from."""
    past: tuple[tuple[str, int], ...]
    """For each limit how many validation radiographs are past it."""
    warned: int
    """Number of validation radiographs past any of them."""


def learn_limits(
    model: Model,
    training: Sequence[Radiograph],
    validation: Sequence[Radiograph],
    *,
    budget: float = BUDGET,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LearntQuality:
    """Limits such that a share ``budget`` of the validation radiographs, asked about as by default, is warned of.

    ``progress`` is told how many radiographs are done, and of how many. Raises TrainingError where there are too few.
    """
    if min(len(training), len(validation)) < FEWEST:
        raise TrainingError(f"At least {FEWEST} radiographs to train and {FEWEST} to validate are needed.")
    total = len(training) + len(validation)
    familiarity = fit_familiarity(_encode(model, training, lambda done: progress(done, total)))
    open_limits = QualityLimits(**{**dict.fromkeys(MEASURES), "max_distance": 1.0})  # a distance as it is, no warning
    spec = replace(model.spec, limits=open_limits)
    engine = Engine(replace(model, spec=spec, familiarity=familiarity))
    rows = []
    for done, radiograph in enumerate(validation, len(training) + 1):
        if (row := _measure(engine, radiograph)) is not None:
            rows.append(row)
        progress(done, total)
    if len(rows) < FEWEST:
        raise TrainingError(f"Only {len(rows)} of the radiographs to validate can be explained; {FEWEST} are needed.")
    measured = np.array(rows)
    limits = choose_limits(measured, budget)
    past = measured > [_worse(name, getattr(limits, name)) for name in MEASURES]
    counts = tuple(zip(MEASURES, map(int, past.sum(0)), strict=True))
    return LearntQuality(limits, familiarity, len(training), len(rows), counts, int(past.any(1).sum()))


def fit_familiarity(latents: Tensor, *, components: int = COMPONENTS) -> Familiarity:
    """Probabilistic PCA: the maximum likelihood of Tipping and Bishop, JRSS B 61 (1999).

    ``latents`` (N, D) are float32, in latent units. The principal axes by the N x N products, for N is the smaller one.
    They are kept in float16. Raises TrainingError where the latents hardly differ.
    """
    count, size = latents.shape
    components = max(1, min(components, MAX_BASIS // size, count - 2, size - 1))
    mean = latents.double().mean(0)
    offsets = latents.double() - mean
    values, vectors = torch.linalg.eigh(offsets @ offsets.T)
    values, vectors = values.flip(0)[:components], vectors.flip(1)[:, :components]
    if not float(values[-1]) > 0.0:
        raise TrainingError("The radiographs' latents hardly differ: there is nothing to learn from them.")
    rest = (offsets.square().sum() - values.sum()) / count / (size - components)
    basis = (offsets.T @ vectors / values.sqrt()).T
    return Familiarity(mean.float(), basis.half(), (values / count).float(), rest.float())


def choose_limits(measured: NDArray[np.float64], budget: float) -> QualityLimits:
    """Limits past which a share ``budget`` of the rows lies at most, in any measure.

    ``measured`` (N, 6): for each radiograph its worst value of each of MEASURES, turned so that more is worse. Each
    measure in turn may have one row more past its limit, as long as the budget lasts; so all become as strict, as far
    as equal values and ``_MATTERS`` allow. A limit lies midway between the last row past it and the next.
    """
    ordered = np.sort(measured, axis=0)[::-1]
    least = np.array([_worse(name, _MATTERS[name]) if name in _MATTERS else -np.inf for name in MEASURES])
    past = np.zeros(len(MEASURES), dtype=np.int64)
    limits = _limits(ordered, past, least)
    for column in itertools.islice(itertools.cycle(range(len(past))), len(past) * (len(measured) - 1)):
        past[column] += 1
        stricter = _limits(ordered, past, least)
        if (measured > stricter).any(1).mean() > budget:
            break
        limits = stricter
    named = zip(MEASURES, limits, strict=True)
    return QualityLimits(**{name: _worse(name, _outward(float(limit))) for name, limit in named})


def write_quality(folder: Path, learnt: LearntQuality, *, version: str = "") -> None:
    """Write reference and limits into a model folder of any kind; ``version`` becomes the model's where one is given.

    Raises ModelError.
    """
    manifest = read_manifest(folder)
    before = manifest.quality.reference if manifest.quality else None
    digest = write_familiarity(learnt.familiarity, folder)
    files = tuple(file for file in manifest.files if file.name not in (before, digest.name))
    quality = ManifestQuality(learnt.limits, digest.name)
    changed = replace(manifest, version=version or manifest.version, files=(*files, digest), quality=quality)
    write_manifest(changed, folder)


def pictures_as_radiographs(images: Tensor) -> Sequence[Radiograph]:
    """``images`` (N, S, S) uint8 over the whole range of tones as Radiographs."""
    return [Radiograph(image.numpy().astype(np.float32) / np.float32(255)) for image in images.cpu()]


def draw_radiographs(
    first: int, count: int, side: int, progress: Callable[[int], None] = lambda done: None
) -> Sequence[Radiograph]:
    """Phantoms of ``count`` seeds from ``first`` on, at ``side`` pixels."""
    drawn = []
    for seed in range(first, first + count):
        drawn.append(Radiograph(square_pixels(generate(seed).to_radiograph(), side).numpy()))
        progress(len(drawn))
    return drawn


def _encode(model: Model, radiographs: Iterable[Radiograph], progress: Callable[[int], None]) -> Tensor:
    """The latents (N, D) float32 on the CPU."""
    passes = Passes(model)
    latents = []
    for done, radiograph in enumerate(radiographs, 1):
        latents.append(passes.encode(prepare(radiograph, model.spec)[None]).flatten().float().cpu())
        progress(done)
    return torch.stack(latents)


def _measure(engine: Engine, radiograph: Radiograph) -> list[float] | None:
    """The worst of each measure over the findings that are explained by default, turned so that more is worse."""
    (outcome,) = engine.explain([Order(radiograph, ExplainOptions())]).outcomes
    if isinstance(outcome, Problem):
        return None
    low, high = engine.spec.input_range
    detail = fine_detail(prepare(radiograph, engine.spec)[0], high - low)
    rows = [_values(explanation, detail) for explanation in outcome]
    return [max(_worse(name, row[column]) for row in rows) for column, name in enumerate(MEASURES)]


def _values(explanation: Explanation, detail: float) -> tuple[float, ...]:
    """In the order of MEASURES."""
    card = explanation.quality
    distance = card.distance or 0.0
    return distance, detail, card.ssim, card.score_gap, max(card.drop, card.rise), card.monotonicity


def _worse(name: str, value: float) -> float:
    """``value``, turned so that more is worse; and back."""
    return MEASURES[name] * value


def _limits(ordered: NDArray[np.float64], past: NDArray[np.int64], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each column of falling numbers the one that ``past`` of them are above, but ``least`` at least."""
    columns = np.arange(len(past))
    midway = (ordered[np.maximum(past - 1, 0), columns] + ordered[past, columns]) / 2
    return np.maximum(midway, least)


def _outward(limit: float) -> float:
    """To four decimals, to the side on which fewer are past it."""
    return math.ceil(limit * 1e4) / 1e4
