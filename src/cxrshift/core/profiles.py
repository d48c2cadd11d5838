"""The λ schedules and stop rules of every search profile, as pure functions of numbers (docs/method.md).

A schedule never depends on the scores met on the way, so its λs can be evaluated many at a time and the stop be picked
afterwards; ``courses`` says in which order. ``latentshift`` is that of the package of this name, 0.0.6;
``gifsplanation`` that of the code of arXiv 2102.09475; ``two-sided`` is this project's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import ExplainOptions, Profile, StopReason

Lambdas = NDArray[np.float64]
"""(K,) float64, in the model's λ unit."""

LATENTSHIFT_DROP = 0.8
"""Drop of the score past which the walk ends."""
LATENTSHIFT_FLOOR = 0.05
"""Score below which it ends."""
LATENTSHIFT_LAST = -3000.0
"""λ at or below which it ends."""
LATENTSHIFT_PIXEL_CHANGE = 0.05
"""Share of Σ|x₀| past which it ends."""
GIFSPLANATION_DROP = 0.15
"""Drop of the score past which the walk ends."""
GIFSPLANATION_LAST = -1000.0
"""λ at or below which it ends."""

TWO_SIDED_TARGET = 0.8
"""Change of the score at which a side ends, unless the caller chooses another."""
TWO_SIDED_FLOOR = 0.05
"""Score at which the lower side ends; the upper ends at 1 less it."""
TWO_SIDED_PIXEL_CHANGE = 0.15
"""Share of Σ|x₀ − darkest| past which a side ends, unless the caller chooses another."""
TWO_SIDED_FIRST = 0.25
"""Change of the score's logit that the first step asks for, to first order."""
TWO_SIDED_RATIO = 1.4
"""How many times longer each step is than the one before."""
TWO_SIDED_STEPS = 18
"""λs on each side."""
TWO_SIDED_SLACK = 1e-3
"""A score that turns back by less than this has not reversed: saturated scores tremble in their last digits."""
TWO_SIDED_CAUTION = 0.5
"""Share of the λ at which the tangent reaches the goal where a search looks first: most scores are faster than it."""

FLOAT32_STEP_BELOW_ONE = 2.0**-24
"""The distance from 1 to the next float32 below it."""

DEFAULT_FRAMES = {
    Profile.TWO_SIDED: 11,
    Profile.LATENTSHIFT: 10,
    Profile.GIFSPLANATION: 10,
    Profile.FIXED: 11,
}


@dataclass(frozen=True)
class Observation:
    """One evaluated λ and what was seen there."""

    lam: float
    """λ, in the model's unit."""
    score: float
    """The target's score, in [0, 1]; NaN where no probability."""
    change: float
    """Σ|x(λ) − x₀| over the pixels as a share of the profile's own reference, ≥ 0."""

    @property
    def sound(self) -> bool:
        """Whether a rule can judge it."""
        return math.isfinite(self.score) and math.isfinite(self.change)


@dataclass(frozen=True)
class Stop:
    """Why a walk ended and the λ that it keeps."""

    reason: StopReason
    """Why it ended."""
    limit: float
    """λ, in the model's unit: negative below, positive above, 0 where not one step is kept."""


StopRule = Callable[[float, Observation, Observation], Stop | None]
"""(start score, previous observation, this observation) -> a Stop, or None to walk on."""

Guess = Callable[[float, Observation, Observation | None], float | None]
"""(start score, the last observation without a stop, one beyond it that stops if any is known) -> about where the
first stop lies, as |λ|; None where they do not say. It saves rows and decides nothing.
"""


@dataclass(frozen=True)
class Walk:
    """One direction of one search: the λs in the order they are met, and the rule that ends it.

    ``guess`` is of a walk that may bracket its stop; without one, every λ is met in turn. ``absolute`` says what a
    pixel change is measured against: Σ|x₀| as in the published code, or, if False, Σ|x₀ − darkest|, which does not
    depend on where a model puts the zero of its units.
    """

    lambdas: Lambdas
    """(K,) float64, in the model's λ unit."""
    rule: StopRule
    """What ends it."""
    absolute: bool
    guess: Guess | None = None


# ---- the published profiles: downwards only, λ = 0 is the first one met, the λ that stops is kept ----


def latentshift_schedule() -> Lambdas:
    """(K,) λs: λ ← λ − 10 + ⌊λ / 10⌋ from 0 to the first λ ≤ −3000 (latentshift 0.0.6, its default arguments)."""
    lambdas = [0.0]
    while lambdas[-1] > LATENTSHIFT_LAST:
        lambdas.append(lambdas[-1] - 10.0 + lambdas[-1] // 10)
    return np.array(lambdas)


def gifsplanation_schedule() -> Lambdas:
    """(K,) λs: by 1 down to −10, then by 10 down to −1000 (the code of arXiv 2102.09475)."""
    return np.concatenate([-np.arange(0.0, 10.0), -np.arange(10.0, -GIFSPLANATION_LAST + 1, 10.0)])


def latentshift_rule(start: float, last: Observation, now: Observation) -> Stop | None:
    """Score rises, falls below 0.05, has dropped by more than 0.8, λ ≤ −3000, or Σ|Δx| > 5% of Σ|x₀|.

    ``start`` is s₀, in [0, 1].
    """
    if now.score > last.score:
        return Stop(StopReason.REVERSED, now.lam)
    if now.score < LATENTSHIFT_FLOOR:
        return Stop(StopReason.FLOOR, now.lam)
    if start - LATENTSHIFT_DROP > now.score:
        return Stop(StopReason.TARGET, now.lam)
    if now.lam <= LATENTSHIFT_LAST:
        return Stop(StopReason.LAST_LAMBDA, now.lam)
    if now.change > LATENTSHIFT_PIXEL_CHANGE:
        return Stop(StopReason.PIXEL_CHANGE, now.lam)
    return None


def gifsplanation_rule(start: float, last: Observation, now: Observation) -> Stop | None:
    """Score rises, has dropped by more than 0.15, or λ ≤ −1000. ``start`` is s₀, in [0, 1]."""
    if now.score > last.score:
        return Stop(StopReason.REVERSED, now.lam)
    if start - GIFSPLANATION_DROP > now.score:
        return Stop(StopReason.TARGET, now.lam)
    if now.lam <= GIFSPLANATION_LAST:
        return Stop(StopReason.LAST_LAMBDA, now.lam)
    return None


# ---- two-sided: both directions, in the model's own unit ----


def two_sided_schedule(start: float, squared_norm: float, direction: int) -> Lambdas:
    """λ_k = ± (c s₀(1 − s₀) / ‖g‖²) r^k, k = 0, 1, ...: each asks for a change of c r^k in the score's logit.

    To first order s(λ) ≈ s₀ + λ‖g‖², and a logit moves by Δs / (s₀(1 − s₀)). Asking in logits rather than in scores
    gives a saturated score, whose gradient is short, steps as small as any other's. Where s₀(1 − s₀) is 0 to the last
    digit, that digit stands in for it. Returns (``TWO_SIDED_STEPS``,) λs; ``start`` is s₀ in [0, 1], and
    ``squared_norm`` ‖g‖² > 0, ``direction`` −1 or 1.
    """
    slope = start * (1.0 - start) or FLOAT32_STEP_BELOW_ONE
    first = TWO_SIDED_FIRST * slope / squared_norm
    return direction * first * TWO_SIDED_RATIO ** np.arange(TWO_SIDED_STEPS, dtype=np.float64)


def two_sided_rule(direction: int, last_lambda: float, target: float, pixel_change: float) -> StopRule:
    """The rule of one direction; −1 curtails and stops at the floor, +1 exaggerates and stops at its mirror.

    A step too far (the score turned back, or too many pixels moved) is not kept: the one before it is. Where the very
    first step moves too many pixels, it is shortened in proportion. ``last_lambda`` is in the model's λ unit,
    ``target`` and ``pixel_change`` are in (0, 1].
    """

    def rule(start: float, last: Observation, now: Observation) -> Stop | None:
        if now.change > pixel_change:
            limit = last.lam if last.lam else now.lam * pixel_change / now.change
            return Stop(StopReason.PIXEL_CHANGE, limit)
        if direction * (now.score - last.score) < -TWO_SIDED_SLACK:
            return Stop(StopReason.REVERSED, last.lam)
        if direction < 0 and now.score <= TWO_SIDED_FLOOR:
            return Stop(StopReason.FLOOR, now.lam)
        if direction > 0 and now.score >= 1.0 - TWO_SIDED_FLOOR:
            return Stop(StopReason.CEILING, now.lam)
        if direction * (now.score - start) >= target:
            return Stop(StopReason.TARGET, now.lam)
        if now.lam == last_lambda:
            return Stop(StopReason.LAST_LAMBDA, now.lam)
        return None

    return rule


def two_sided_guess(direction: int, first: float, target: float, pixel_change: float) -> Guess:
    """Where the score's logit reaches the goal or the pixels their limit, whichever comes first.

    Both grow about as a power of λ: that through the two observations, or, with one, in proportion. With none, the
    logit follows its tangent, ``TWO_SIDED_FIRST`` for each λ of ``first``, and nothing is known of the pixels.
    ``target`` and ``pixel_change`` are in (0, 1].
    """

    def guess(start: float, low: Observation, high: Observation | None) -> float | None:
        edge = start + direction * target
        goal = max(edge, TWO_SIDED_FLOOR) if direction < 0 else min(edge, 1.0 - TWO_SIDED_FLOOR)
        need = direction * (_logit(goal) - _logit(start))
        if need <= 0.0:
            return 0.0
        if low.lam == 0.0 and high is None:
            return TWO_SIDED_CAUTION * abs(first) * need / TWO_SIDED_FIRST

        def logit(at: Observation) -> float:
            return direction * (_logit(at.score) - _logit(start))

        points = [at for at in (low, high) if at is not None and at.lam != 0.0]
        crossings = [
            _crossing([(abs(at.lam), logit(at)) for at in points], need),
            _crossing([(abs(at.lam), at.change) for at in points], pixel_change),
        ]
        furthest = math.inf if high is None else abs(high.lam)
        return min((lam for lam in crossings if lam is not None and lam <= furthest), default=None)

    return guess


def _crossing(points: list[tuple[float, float]], goal: float) -> float | None:
    """Where a power law through one or two (λ, value) reaches ``goal``; None where none does, or not between them."""
    (lam, value), (further, reached) = points[0], points[-1]
    if value <= 0.0:
        return None
    if len(points) == 1:
        return lam * goal / value
    if not value < goal <= reached:
        return None
    return lam * math.exp(math.log(further / lam) * math.log(goal / value) / math.log(reached / value))


def _logit(score: float) -> float:
    score = min(max(score, FLOAT32_STEP_BELOW_ONE), 1.0 - FLOAT32_STEP_BELOW_ONE)
    return math.log(score / (1.0 - score))


def walks(options: ExplainOptions, start: float, squared_norm: float) -> tuple[Walk | None, Walk | None]:
    """The walks below and above λ = 0 that ``options.profile`` asks for; None where it does not search.

    ``start`` is s₀, in [0, 1], ``squared_norm`` ‖g‖², > 0.
    """
    match options.profile:
        case Profile.LATENTSHIFT:
            return Walk(latentshift_schedule(), latentshift_rule, absolute=True), None
        case Profile.GIFSPLANATION:
            return Walk(gifsplanation_schedule(), gifsplanation_rule, absolute=True), None
        case Profile.TWO_SIDED:
            return _two_sided(options, start, squared_norm, -1), _two_sided(options, start, squared_norm, +1)
        case Profile.FIXED:
            return None, None


def _two_sided(options: ExplainOptions, start: float, squared_norm: float, direction: int) -> Walk:
    lambdas = two_sided_schedule(start, squared_norm, direction)
    target = options.target_change or TWO_SIDED_TARGET
    pixel_change = options.pixel_change or TWO_SIDED_PIXEL_CHANGE
    first, last = float(lambdas[0]), float(lambdas[-1])
    return Walk(
        lambdas,
        two_sided_rule(direction, last, target, pixel_change),
        absolute=False,
        guess=two_sided_guess(direction, first, target, pixel_change),
    )


def frame_lambdas(below: float, above: float, frames: int) -> Lambdas:
    """(``frames``,) λs from ``below`` ≤ 0 to ``above`` ≥ 0, ascending, with λ = 0 exactly one of them.

    A one-sided range is evenly spaced, as in the published code. A two-sided one gets as many frames on each side,
    whatever the sides' lengths, and an even count grows by one. The rule is the same for every profile, so that a range
    that was searched gives the same frames again when it is asked for by its limits.
    """
    if below == 0.0 or above == 0.0:
        return np.linspace(below, above, frames)
    half = frames // 2
    return np.concatenate([np.linspace(below, 0.0, half + 1), np.linspace(0.0, above, half + 1)[1:]])
