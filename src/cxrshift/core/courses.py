"""In which order a walk asks for the λs of its schedule: one after the other, or by bracketing its stop.

A course asks for one λ at a time and is told what was observed there. What it asks next, and where it ends, depends
on what it asked before and on nothing else: others may be probed ahead to save time, and never alter the answer.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from cxrshift_api.types import StopReason

from .profiles import Observation, Stop, Walk


@dataclass(frozen=True)
class Ask:
    """The λ that a course must know next, as an index of its schedule; the stop lies in (``low``, ``high``]."""

    index: int
    """Index from 0."""
    low: int
    """The last index known not to stop; -1 stands for λ = 0."""
    high: int
    """The first index known to stop; the schedule's length for a stop that no observation has shown yet."""

    def spares(self) -> Iterator[int]:
        """The other indices between, those most likely to be asked for next first."""
        for away in range(1, self.high - self.low):
            for index in (self.index - away, self.index + away):
                if self.low < index < self.high:
                    yield index


@dataclass(frozen=True)
class Ending:
    """Where a course ended: a Stop, None if it met what is not finite."""

    stop: Stop | None
    """Why it ended there."""
    asked: int
    """How many λs the course asked for."""


REACHED = (StopReason.TARGET, StopReason.FLOOR, StopReason.CEILING)
"""The stops at which a score is where the walk was to bring it."""

Course = Generator[Ask, Observation, Ending]


def course_of(walk: Walk, start: float) -> Course:
    """The course that suits ``walk``, whose score at λ = 0 is ``start``, in [0, 1]."""
    return _step_by_step(walk, start) if walk.guess is None else _bracket(walk, start)


def _step_by_step(walk: Walk, start: float) -> Course:
    last = Observation(0.0, start, 0.0)
    for index in range(len(walk.lambdas)):
        now = yield Ask(index, index - 1, len(walk.lambdas))
        stop = walk.rule(start, last, now) if now.sound else None
        if stop is not None or not now.sound:
            return Ending(stop, index + 1)
        last = now
    raise AssertionError("a walk's rule must stop at its last λ")


def _bracket(walk: Walk, start: float) -> Course:
    """Walk over the λs known so far, and ask for more until it stops between neighbours of the schedule.

    Where the pixel change grows and the score has at most one turning point, that is the walk over every λ. A walk
    that ends without reaching its goal may have passed the turning point unseen: so that its last λ is no step back
    either, the one before that is asked for too.
    """
    known = {-1: Observation(0.0, start, 0.0)}
    while True:
        low, high, stop = _walk_over(known, walk, start)
        if high - low > 1:
            index = _index_between(low, high, known, walk, start)
        elif stop is not None and stop.reason not in REACHED and low > 0 and low - 1 not in known:
            index = low - 1
        else:
            return Ending(stop, len(known) - 1)
        known[index] = yield Ask(index, low, high)


def _walk_over(known: dict[int, Observation], walk: Walk, start: float) -> tuple[int, int, Stop | None]:
    """The last known index without a stop, and the next, which stops; or the schedule's length, if none does."""
    low = -1
    for index in sorted(known)[1:]:
        if not known[index].sound:
            return low, index, None
        stop = walk.rule(start, known[low], known[index])
        if stop is not None:
            return low, index, stop
        low = index
    return low, len(walk.lambdas), None


def _index_between(low: int, high: int, known: dict[int, Observation], walk: Walk, start: float) -> int:
    """The index strictly between ``low`` and ``high`` that most likely stops, or one that halves what is between."""
    beyond = known.get(high)
    where = None
    if walk.guess is not None and (beyond is None or beyond.sound):
        where = walk.guess(start, known[low], beyond)
    if where is None:
        return (low + high) // 2
    index = int(np.searchsorted(np.abs(walk.lambdas), where * (1.0 - 1e-9)))
    return min(max(index, low + 1), high - 1)
