"""Finds each target's range of λ, all targets together, a wave of rows at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cxrshift_api.types import ExplainOptions, Side, StopReason

from .passes import Passes
from .probe import Rows, Targets, probe, sums
from .profiles import Lambdas, Observation, Stop, Walk, walks


@dataclass(frozen=True)
class LambdaRange:
    """The range that a search settled on; ``below.limit`` ≤ 0 ≤ ``above.limit``."""

    below: Side
    above: Side


@dataclass(frozen=True)
class Searched:
    """Every target's range, None where a score or a frame on its way was not finite; and the rows that it took."""

    ranges: list[LambdaRange | None]
    rows: int


@dataclass
class _OpenWalk:
    """A walk on its way: the only mutable thing in a search, and no one else's.

    ``reference`` is the sum of pixels that a change is measured against.
    """

    owner: int
    walk: Walk
    start: float
    reference: float
    last: Observation
    met: int = 0
    stop: Stop | None = None
    broken: bool = False

    @property
    def ended(self) -> bool:
        return self.broken or self.stop is not None

    def upcoming(self, count: int) -> Lambdas:
        return self.walk.lambdas[self.met : self.met + count]

    def meet(self, now: Observation) -> None:
        """Take the next λ of the schedule into account, unless the walk has ended."""
        if self.ended:
            return
        self.met += 1
        if math.isfinite(now.score) and math.isfinite(now.change):
            self.stop = self.walk.rule(self.start, self.last, now)
            self.last = now
        else:
            self.broken = True

    def side(self) -> Side:
        if self.stop is None:
            raise AssertionError("a walk's rule must stop at its last λ")
        return Side(self.stop.reason, self.stop.limit, self.met)


def search_ranges(
    passes: Passes, targets: Targets, options: list[ExplainOptions], *, darkest: float, budget: int
) -> Searched:
    """Every target's λ range under its own options.

    ``darkest`` is the model unit of a black pixel. A walk's λ = 0 costs no row: the reconstruction is known.
    """
    pairs = _open_walks(targets, options, darkest)
    ongoing = [walk for pair in pairs for walk in pair if walk is not None and not walk.ended]
    rows = 0
    while ongoing:
        rows += _run_wave(passes, targets, ongoing, budget)
        ongoing = [walk for walk in ongoing if not walk.ended]
    return Searched([_range(wanted, *pair) for wanted, pair in zip(options, pairs, strict=True)], rows)


def _open_walks(
    targets: Targets, options: list[ExplainOptions], darkest: float
) -> list[tuple[_OpenWalk | None, _OpenWalk | None]]:
    smallest = float(np.finfo(np.float32).tiny)  # a black image has no sum to measure a change against
    absolute = np.maximum(sums(targets.reconstructions.abs()), smallest)
    above_dark = np.maximum(sums((targets.reconstructions - darkest).abs()), smallest)

    def opened(owner: int, walk: Walk | None) -> _OpenWalk | None:
        if walk is None:
            return None
        start = float(targets.start[owner])
        origin = Observation(0.0, start, 0.0)
        reference = float((absolute if walk.absolute else above_dark)[owner])
        open_walk = _OpenWalk(owner, walk, start, reference, origin)
        if walk.lambdas[0] == 0.0:
            open_walk.meet(origin)
        return open_walk

    pairs = []
    for owner, wanted in enumerate(options):
        below, above = walks(wanted, float(targets.start[owner]), float(targets.squared_norms[owner]))
        pairs.append((opened(owner, below), opened(owner, above)))
    return pairs


def _run_wave(passes: Passes, targets: Targets, ongoing: list[_OpenWalk], budget: int) -> int:
    """Probe the upcoming λs of every open walk and let each meet its own; the number of rows."""
    plan = _plan_wave(ongoing, passes.shapes.probe)
    rows = Rows(np.array([walk.owner for walk, _ in plan]), np.array([lam for _, lam in plan]))
    met = iter(plan)
    for probed in probe(passes, targets, rows, budget=budget):
        changes = sums((probed.frames - targets.reconstructions[probed.rows.owners]).abs())
        scores = probed.scores[np.arange(len(changes)), targets.columns[probed.rows.owners]]
        for change, score, (walk, lam) in zip(changes, scores, met, strict=False):
            walk.meet(Observation(lam, float(score), float(change) / walk.reference))
    return len(rows)


def _plan_wave(ongoing: list[_OpenWalk], width: int) -> list[tuple[_OpenWalk, float]]:
    """Full calls of ``width`` rows, as few as give every walk one, shared out evenly.

    How many λs a walk tries at once never alters where it stops, only how many are tried in vain.
    """
    slots = -(-len(ongoing) // width) * width
    share, extra = divmod(slots, len(ongoing))
    return [(walk, float(lam)) for i, walk in enumerate(ongoing) for lam in walk.upcoming(share + (i < extra))]


def _range(options: ExplainOptions, below: _OpenWalk | None, above: _OpenWalk | None) -> LambdaRange | None:
    if any(walk is not None and walk.broken for walk in (below, above)):
        return None
    fixed_below, fixed_above = options.lambda_min or 0.0, options.lambda_max or 0.0
    return LambdaRange(
        below.side() if below else Side(StopReason.NOT_SEARCHED, fixed_below, 0),
        above.side() if above else Side(StopReason.NOT_SEARCHED, fixed_above, 0),
    )
