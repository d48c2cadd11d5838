"""From latents and findings to shifted frames: gradient, search and sweep, in full precision (arXiv 2102.09475)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import ExplainOptions, Float32Array, StageSeconds

from .passes import Passes
from .probe import Rows, Targets, aim, probe
from .profiles import DEFAULT_FRAMES, Lambdas, frame_lambdas
from .search import Frame, LambdaRange, Searched, search_ranges

SMALLEST_SQUARED_NORM = 1e-30
"""‖g‖² below which the λs that would move a score leave float32; ‖g‖ = 1e-15 is far beyond any score's last digit."""


@dataclass(frozen=True)
class Wanted:
    """One explanation to make, with settled options."""

    image: int
    """Index, from 0, of the radiograph's row among the encoded."""
    column: int
    """Index, from 0, of the finding's column among the scores."""
    options: ExplainOptions
    """Settled: no choice is left to a profile."""
    deadline: float | None = None
    """Moment of ``time.perf_counter()`` at which the frames must be made; only where fewer frames will do."""


@dataclass(frozen=True)
class Shift:
    """One explanation in full precision, before it is stored as pixels.

    ``lambdas`` (R,) float64 ascending, ``frames`` (R, H, W) float32 in model units, ``scores`` (R, F) float32 in
    [0, 1], ``gradient_norm`` ‖g‖.
    """

    lambdas: Lambdas
    frames: Tensor
    scores: Float32Array
    found: LambdaRange
    """The range that the search settled on."""
    gradient_norm: float
    """‖g‖ ≥ 0, in score per latent unit."""
    frame_choice: int
    """The choice of ``frames`` that these are: that of the options, or a smaller one where time was short."""

    @property
    def zero(self) -> int:
        """Index of the frame at λ = 0, the reconstruction."""
        return int(np.flatnonzero(self.lambdas == 0.0)[0])


class Failure(Enum):
    """Why there is no Shift."""

    UNRESPONSIVE = auto()
    """The latent gradient is 0."""
    UNMOVED = auto()
    """The search may not take even its first step: every frame would be the reconstruction."""
    BROKEN = auto()
    """A score is no probability, or a pixel or the gradient is not finite."""


class Stopwatch:
    """Adds up the seconds of named stages; one for each batch.

    ``pace``: the seconds that a row is expected to take, 0 = nobody knows.
    """

    def __init__(self, pace: float = 0.0) -> None:
        self._began = perf_counter()
        self._seconds: dict[str, float] = {}
        self.rows = 0
        self.pace = pace
        """Seconds that a row is expected to take, 0 = nobody knows."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as ``name``, one of StageSeconds' fields."""
        began = perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + perf_counter() - began

    def seconds(self) -> StageSeconds:
        """The stages so far, and the total since this watch was made."""
        return StageSeconds(**self._seconds, total=perf_counter() - self._began)


def shift(
    passes: Passes, latents: Tensor, wanted: list[Wanted], *, darkest: float, budget: int, watch: Stopwatch
) -> Iterator[tuple[Wanted, Shift | Failure]]:
    """Every wanted explanation as it becomes ready; each finding's in the order wanted, failures ahead.

    z, g = d f(D(z))[c]/dz, then x(λ) = D(z + λ g) over the range that the search finds (arXiv 2102.09475). ``latents``
    (N, ...) float32 in latent units. ``darkest`` is a black pixel in model units. At most ``budget`` rows and one
    explanation's frames are in memory at once.
    """
    with watch.stage("gradient"):
        targets = aim(passes, latents, [w.image for w in wanted], [w.column for w in wanted])
    watch.rows += len(targets)
    failures = [_failure(float(s), float(n)) for s, n in zip(targets.start, targets.squared_norms, strict=True)]
    yield from ((want, failure) for want, failure in zip(wanted, failures, strict=True) if failure)
    usable = [i for i, failure in enumerate(failures) if failure is None]
    if not usable:
        return
    targets, wanted = targets.take(usable), [wanted[i] for i in usable]
    with watch.stage("search"):
        searched = search_ranges(passes, targets, [w.options for w in wanted], darkest=darkest, budget=budget)
    watch.rows += searched.rows
    with watch.stage("frames"):
        yield from _shift_over(passes, targets, wanted, searched, budget, watch)


def _failure(start: float, squared_norm: float) -> Failure | None:
    if not (math.isfinite(start) and math.isfinite(squared_norm)):
        return Failure.BROKEN
    return Failure.UNRESPONSIVE if squared_norm < SMALLEST_SQUARED_NORM else None


def _shift_over(
    passes: Passes,
    targets: Targets,
    wanted: list[Wanted],
    searched: Searched,
    budget: int,
    watch: Stopwatch,
) -> Iterator[tuple[Wanted, Shift | Failure]]:
    grids: dict[int, Lambdas] = {}
    found: dict[int, LambdaRange] = {}
    choices = choose_frames(wanted, perf_counter(), watch.pace)
    for i, (want, settled) in enumerate(zip(wanted, searched.ranges, strict=True)):
        if settled is None:
            yield want, Failure.BROKEN
        elif settled.below.limit == settled.above.limit == 0.0:
            yield want, Failure.UNMOVED
        else:
            found[i] = settled
            grids[i] = frame_lambdas(settled.below.limit, settled.above.limit, choices[i])
    for i, stack, scores in _sweep(passes, targets, grids, searched.frames, budget, watch):
        sound = bool(np.isfinite(scores).all()) and bool(torch.isfinite(stack).all())
        norm = math.sqrt(targets.squared_norms[i])
        yield wanted[i], Shift(grids[i], stack, scores, found[i], norm, choices[i]) if sound else Failure.BROKEN


def choose_frames(wanted: Sequence[Wanted], now: float, pace: float) -> list[int]:
    """How many frames each gets: as many as it asks for, or, where ``pace`` seconds a row would end too late, fewer.

    All are swept together, so whoever is short of time gives up the share of its own by which the whole is too long.
    ``now`` is a moment of ``time.perf_counter()``, in seconds.
    """
    asked = [want.options.frames or DEFAULT_FRAMES[want.options.profile] for want in wanted]
    needed = pace * sum(asked)

    def choose(want: Wanted, frames: int) -> int:
        left = math.inf if want.deadline is None else max(0.0, want.deadline - now)
        if needed <= left or want.options.least_frames is None:
            return frames
        return max(want.options.least_frames, math.floor(frames * left / needed))

    return [choose(want, frames) for want, frames in zip(wanted, asked, strict=True)]


def _sweep(
    passes: Passes,
    targets: Targets,
    grids: dict[int, Lambdas],
    seen: Mapping[tuple[int, float], Frame],
    budget: int,
    watch: Stopwatch,
) -> Iterator[tuple[int, Tensor, Float32Array]]:
    """Each target's frames (R, H, W) and scores (R, F) over its own grid, as soon as they are complete.

    No λ is probed twice: the gradient pass gave λ = 0, and the search has ``seen`` most limits.
    """

    def known(target: int, lam: float) -> Frame | None:
        if lam == 0.0:
            image = targets.images[target]
            return targets.reconstructions[image, 0], targets.scores[image]
        return seen.get((target, lam))

    held = {i: [known(i, float(lam)) for lam in grid] for i, grid in grids.items()}
    missing = {i: grid[[frame is None for frame in held[i]]] for i, grid in grids.items()}
    rows = Rows.join(list(missing.items()))
    watch.rows += len(rows)
    probed = (
        (frame[0], scores)
        for part in probe(passes, targets, rows, budget=budget)
        for frame, scores in zip(part.frames, part.scores, strict=True)
    )
    for i, known_frames in held.items():
        frames, scores = zip(*(frame or next(probed) for frame in known_frames), strict=True)
        yield i, torch.stack(frames), np.stack(scores)
