"""Finds each target's range of λ, all targets together, a wave of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift_api.types import ExplainOptions, Side, StopReason

from .passes import Passes
from .probe import Rows, Targets, probe
from .profiles import Observation, Stop, Walk, walks

WAVE = 6
"""λs probed for each open walk in one wave: enough to fill a call, few enough to waste little after the stop."""


@dataclass(frozen=True)
class LambdaRange:
    """The range that a search settled on; ``below.limit`` ≤ 0 ≤ ``above.limit``."""

    below: Side
    above: Side


@dataclass
class _OpenWalk:
    """A walk on its way: the only mutable thing in a search, and no one else's."""

    owner: int
    walk: Walk
    start: float
    last: Observation
    met: int = 0
    stop: Stop | None = None

    @property
    def upcoming(self) -> NDArray[np.float64]:
        return self.walk.lambdas[self.met : self.met + WAVE]

    def meet(self, now: Observation) -> None:
        """Take the next λ of the schedule into account, unless the walk has ended."""
        if self.stop is None:
            self.met += 1
            self.stop = self.walk.rule(self.start, self.last, now)
            self.last = now

    def side(self) -> Side:
        if self.stop is None:
            raise AssertionError("a walk's rule must stop at its last λ")
        return Side(self.stop.reason, self.stop.limit, self.met)


@dataclass
class _Search:
    passes: Passes
    targets: Targets
    darkest: float
    budget: int
    rows: int = 0
    references: dict[tuple[int, bool], float] = field(default_factory=dict)

    def reference(self, owner: int, absolute: bool) -> float:
        """Σ|x₀| or Σ|x₀ − darkest| over the pixels of a target's reconstruction, never 0."""
        key = (owner, absolute)
        if key not in self.references:
            image = self.targets.reconstructions[owner]
            total = pixel_sum(image if absolute else image - self.darkest)
            self.references[key] = max(total, float(np.finfo(np.float32).tiny))
        return self.references[key]

    def run_wave(self, wave: list[_OpenWalk]) -> None:
        """Probe the upcoming λs of every open walk and let each meet its own."""
        rows = Rows.join([(position, walk.upcoming) for position, walk in enumerate(wave)])
        targets = _select(self.targets, [walk.owner for walk in wave])
        self.rows += len(rows)
        for probed in probe(self.passes, targets, rows, budget=self.budget):
            for i, position in enumerate(probed.rows.owners):
                walk = wave[position]
                reference = self.reference(walk.owner, walk.walk.absolute)
                change = pixel_sum(probed.frames[i] - targets.reconstructions[position]) / reference
                score = float(probed.scores[i, targets.columns[position]])
                walk.meet(Observation(float(probed.rows.lambdas[i]), score, change))


def pixel_sum(image: Tensor) -> float:
    """Σ|pixel| of one image, in model units: one image at a time, so that no neighbour alters the rounding."""
    return float(image.abs().sum(dtype=torch.float64))


def search_ranges(
    passes: Passes, targets: Targets, options: list[ExplainOptions], *, darkest: float, budget: int
) -> tuple[list[LambdaRange], int]:
    """Every target's λ range under its own options, and the number of rows that were probed.

    ``darkest`` is the model unit of a black pixel. A walk's λ = 0 costs no row: the reconstruction is known.
    """
    search = _Search(passes, targets, darkest, budget)
    pairs: list[tuple[_OpenWalk | None, _OpenWalk | None]] = []
    for owner, wanted in enumerate(options):
        norm = float(targets.gradients[owner].double().square().sum())
        start = float(targets.start[owner])
        below, above = walks(wanted, start, norm)
        pairs.append((_open(owner, below, start), _open(owner, above, start)))
    ongoing = [walk for pair in pairs for walk in pair if walk is not None and walk.stop is None]
    while ongoing:
        search.run_wave(ongoing)
        ongoing = [walk for walk in ongoing if walk.stop is None]
    ranges = [_range(wanted, *pair) for wanted, pair in zip(options, pairs, strict=True)]
    return ranges, search.rows


def _open(owner: int, walk: Walk | None, start: float) -> _OpenWalk | None:
    if walk is None:
        return None
    origin = Observation(0.0, start, 0.0)
    opened = _OpenWalk(owner, walk, start, origin)
    if walk.lambdas[0] == 0.0:
        opened.meet(origin)
    return opened


def _range(options: ExplainOptions, below: _OpenWalk | None, above: _OpenWalk | None) -> LambdaRange:
    fixed_below, fixed_above = options.lambda_min or 0.0, options.lambda_max or 0.0
    return LambdaRange(
        below.side() if below else Side(StopReason.NOT_SEARCHED, fixed_below, 0),
        above.side() if above else Side(StopReason.NOT_SEARCHED, fixed_above, 0),
    )


def _select(targets: Targets, owners: list[int]) -> Targets:
    index = torch.tensor(owners, device=targets.latents.device)
    return Targets(
        targets.latents[index],
        targets.gradients[index],
        targets.reconstructions[index],
        targets.columns[owners],
        targets.start[owners],
    )
