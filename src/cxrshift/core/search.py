"""Finds each target's range of λ, all targets together, a wave of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, zip_longest

import numpy as np
from torch import Tensor

from cxrshift_api.types import ExplainOptions, Float32Array, Side, StopReason

from .courses import Ask, Course, Ending, course_of
from .passes import Passes
from .probe import Probed, Rows, Targets, probe, sums
from .profiles import Observation, Walk, walks

Frame = tuple[Tensor, Float32Array]
"""What a row gave: its frame (H, W) float32 in model units and its scores (F,)."""


@dataclass(frozen=True)
class LambdaRange:
    """The range that a search settled on; its limits are ``below.limit`` ≤ 0 ≤ ``above.limit``.

    ``below`` is the side of λ < 0, ``above`` that of λ > 0.
    """

    below: Side
    above: Side


@dataclass(frozen=True)
class Searched:
    """``ranges``: every target's, None where a score or a frame on its way was not finite; and the rows that it took.

    ``frames`` are kept as far as there was room.
    """

    ranges: list[LambdaRange | None]
    rows: int
    """How many rows were probed."""
    frames: Mapping[tuple[int, float], Frame]
    """(H, W) frames, float32 in model units, and (F,) scores that were met at a limit, by target and λ."""


@dataclass(eq=False)
class _OpenWalk:
    """A walk on its way: the only mutable thing in a search, and no one else's.

    ``reference`` is the sum of pixels that a change is measured against.
    """

    owner: int
    walk: Walk
    reference: float
    course: Course
    ask: Ask
    seen: dict[int, Observation] = field(default_factory=dict)
    ending: Ending | None = None

    def upcoming(self) -> Iterator[int]:
        """What to probe next: the λ asked for, then those that may be."""
        yield self.ask.index
        yield from (index for index in self.ask.spares() if index not in self.seen)

    def see(self, index: int, now: Observation) -> None:
        """Take a λ of the schedule into account, and go on as far as what was seen allows."""
        self.seen[index] = now
        try:
            while self.ending is None and self.ask.index in self.seen:
                self.ask = self.course.send(self.seen[self.ask.index])
        except StopIteration as end:
            self.ending = end.value

    def may_keep(self, index: int) -> bool:
        """Whether the λ is or may yet be this walk's limit."""
        if self.ending is None:
            return self.ask.low <= index <= self.ask.high
        return self.ending.stop is not None and self.ending.stop.limit == self.walk.lambdas[index]

    def side(self) -> Side | None:
        """What came of it; None if something on the way was not finite."""
        if self.ending is None or self.ending.stop is None:
            return None
        return Side(self.ending.stop.reason, self.ending.stop.limit, self.ending.asked)


class _Kept:
    """Frames that a walk may yet need, at most ``room`` of them. One without room is probed again: the same bits."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._frames: dict[tuple[_OpenWalk, int], Frame] = {}

    def offer(self, plan: list[tuple[_OpenWalk, int]], probed: Probed) -> None:
        """Keep of ``probed``, whose rows are those of ``plan``, what its walks may need; drop what none needs now."""
        self._frames = {key: frame for key, frame in self._frames.items() if key[0].may_keep(key[1])}
        for row, (walk, index) in enumerate(plan):
            if walk.may_keep(index) and len(self._frames) < self._room:
                # A view would hold all the rows of its call.
                self._frames[walk, index] = probed.frames[row, 0].clone(), probed.scores[row]

    def by_lambda(self) -> dict[tuple[int, float], Frame]:
        return {(walk.owner, float(walk.walk.lambdas[index])): frame for (walk, index), frame in self._frames.items()}


def search_ranges(
    passes: Passes, targets: Targets, options: list[ExplainOptions], *, darkest: float, budget: int
) -> Searched:
    """Every target's λ range under its own options.

    ``darkest`` is the model unit of a black pixel. A walk's λ = 0 costs no row: the reconstruction is known. At most
    ``budget`` rows, and as many frames of earlier rows, are in memory at once.
    """
    pairs = _open_walks(targets, options, darkest)
    ongoing = [walk for pair in pairs for walk in pair if walk is not None and walk.ending is None]
    kept = _Kept(budget)
    rows = 0
    while ongoing:
        rows += _run_wave(passes, targets, ongoing, kept, budget)
        ongoing = [walk for walk in ongoing if walk.ending is None]
    ranges = [_range(wanted, *pair) for wanted, pair in zip(options, pairs, strict=True)]
    return Searched(ranges, rows, kept.by_lambda())


def _open_walks(
    targets: Targets, options: list[ExplainOptions], darkest: float
) -> list[tuple[_OpenWalk | None, _OpenWalk | None]]:
    smallest = float(np.finfo(np.float32).tiny)  # a black image has no sum to measure a change against
    absolute = np.maximum(sums(targets.reconstructions.abs()), smallest)
    above_dark = np.maximum(sums((targets.reconstructions - darkest).abs()), smallest)
    starts = targets.start

    def opened(owner: int, walk: Walk | None) -> _OpenWalk | None:
        if walk is None:
            return None
        start = float(starts[owner])
        reference = float((absolute if walk.absolute else above_dark)[targets.images[owner]])
        course = course_of(walk, start)
        open_walk = _OpenWalk(owner, walk, reference, course, next(course))
        if walk.lambdas[0] == 0.0:
            open_walk.see(0, Observation(0.0, start, 0.0))
        return open_walk

    pairs = []
    for owner, wanted in enumerate(options):
        below, above = walks(wanted, float(starts[owner]), float(targets.squared_norms[owner]))
        pairs.append((opened(owner, below), opened(owner, above)))
    return pairs


def _run_wave(passes: Passes, targets: Targets, ongoing: list[_OpenWalk], kept: _Kept, budget: int) -> int:
    """Probe the upcoming λs of every open walk and let each see its own; the number of rows."""
    plan = _plan_wave(ongoing, passes.shapes.probe)
    lambdas = [float(walk.walk.lambdas[index]) for walk, index in plan]
    rows = Rows(np.array([walk.owner for walk, _ in plan]), np.array(lambdas))
    met = iter(plan)
    for probed in probe(passes, targets, rows, budget=budget):
        owners = probed.rows.owners
        part = list(islice(met, len(owners)))
        changes = sums((probed.frames - targets.reconstructions_of(owners)).abs())
        scores = probed.scores[np.arange(len(owners)), targets.columns[owners]]
        for (walk, index), lam, change, score in zip(part, probed.rows.lambdas, changes, scores, strict=True):
            walk.see(index, Observation(float(lam), float(score), float(change) / walk.reference))
        kept.offer(part, probed)
    return len(rows)


def _plan_wave(ongoing: list[_OpenWalk], width: int) -> list[tuple[_OpenWalk, int]]:
    """The λ that each walk asks for; then, in turns, those that it may ask for, until the calls of ``width`` are full.

    Which λs are tried ahead never alters where a walk stops.
    """
    slots = -(-len(ongoing) // width) * width
    rounds = zip_longest(*(walk.upcoming() for walk in ongoing))
    in_turns = ((walk, index) for one in rounds for walk, index in zip(ongoing, one, strict=True) if index is not None)
    return list(islice(in_turns, slots))


def _range(options: ExplainOptions, below: _OpenWalk | None, above: _OpenWalk | None) -> LambdaRange | None:
    fixed_below, fixed_above = options.lambda_min or 0.0, options.lambda_max or 0.0
    lower = below.side() if below else Side(StopReason.NOT_SEARCHED, fixed_below, 0)
    upper = above.side() if above else Side(StopReason.NOT_SEARCHED, fixed_above, 0)
    return None if lower is None or upper is None else LambdaRange(lower, upper)
