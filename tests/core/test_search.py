"""Schedules and stop rules, on curves h(z) where a shift is z + λ h'(z) and everything can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from cxrshift.core.courses import Ending, course_of
from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import as_model
from cxrshift.core.passes import Passes
from cxrshift.core.probe import Rows, aim, probe, sums
from cxrshift.core.profiles import (
    Observation,
    Stop,
    Walk,
    frame_lambdas,
    gifsplanation_schedule,
    latentshift_schedule,
    two_sided_schedule,
    walks,
)
from cxrshift.core.runtime import Shapes
from cxrshift.core.search import search_ranges
from cxrshift_api.types import ExplainOptions, Problem, Profile, Side, StopReason
from tests.core.toys import Curve, CurveModel, engine_of, explain_one, grey, logistic

TWO_SIDED = ExplainOptions(("F0",))
LATENTSHIFT = ExplainOptions(("F0",), profile=Profile.LATENTSHIFT)
GIFSPLANATION = ExplainOptions(("F0",), profile=Profile.GIFSPLANATION)


def test_the_latentshift_schedule_is_the_published_one() -> None:
    schedule = latentshift_schedule()
    assert schedule[:5].tolist() == [0.0, -10.0, -21.0, -34.0, -48.0]
    assert len(schedule) == 37
    assert schedule[-2] > -3000.0 >= schedule[-1] == -3103.0


def test_the_gifsplanation_schedule_steps_by_one_then_by_ten() -> None:
    schedule = gifsplanation_schedule()
    assert schedule[:12].tolist() == [0.0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10.0, -20.0]
    assert schedule[-1] == -1000.0
    assert len(schedule) == 110


@pytest.mark.parametrize("start", [0.5, 0.02, 0.9999, 1e-9])
def test_the_first_two_sided_step_asks_for_a_quarter_logit_however_saturated_the_score(start: float) -> None:
    slope = start * (1 - start) * 3.0  # σ(3z) at that score
    step = two_sided_schedule(start, slope**2, +1)[0] * slope
    assert 3.0 * step == pytest.approx(0.25)


def test_a_score_of_exactly_one_still_has_a_schedule() -> None:
    schedule = two_sided_schedule(1.0, 1e-4, -1)
    assert np.all(np.diff(schedule) < 0)
    assert schedule[0] < 0
    assert np.isfinite(schedule).all()


@pytest.mark.parametrize(
    ("below", "above", "frames", "expected"),
    [
        (-4.0, 8.0, 5, [-4, -2, 0, 4, 8]),
        (-4.0, 8.0, 4, [-4, -2, 0, 4, 8]),
        (-4.0, 8.0, 2, [-4, 0, 8]),
        (-4.0, 8.0, 3, [-4, 0, 8]),
        (-9.0, 0.0, 4, [-9, -6, -3, 0]),
        (0.0, 3.0, 2, [0, 3]),
    ],
)
def test_frames_hold_zero_once_and_both_ends(below: float, above: float, frames: int, expected: list[float]) -> None:
    assert frame_lambdas(below, above, frames).tolist() == expected


@given(st.floats(-1e6, -1e-6), st.floats(1e-6, 1e6), st.integers(2, 101))
def test_any_two_sided_grid_is_ascending_and_odd_with_one_exact_zero(below: float, above: float, frames: int) -> None:
    grid = frame_lambdas(below, above, frames)
    assert np.all(np.diff(grid) > 0)
    assert np.count_nonzero(grid == 0.0) == 1
    assert len(grid) == max(frames + (frames + 1) % 2, 3)
    assert (grid[0], grid[-1]) == (below, above)


# ---- every stop on every side ----


def plateau(means: Tensor) -> Tensor:
    """Rises from 0.3 to 0.7 within a thousandth of a grey and then stays."""
    return 0.5 + 0.2 * torch.tanh(1000.0 * (means - 0.5))


def hill(means: Tensor) -> Tensor:
    """Steep at 0.5, with a top at 0.51 and a bottom at 0.49."""
    return 0.5 + 0.3 * torch.sin((means - 0.5) * (math.pi / 0.02))


def side_of(curve: Curve, options: ExplainOptions, direction: int, darkest: float = 0.0) -> Side:
    explanation = explain_one(engine_of(curve, darkest=darkest), grey(0.5), options)
    return explanation.below if direction < 0 else explanation.above


@dataclass(frozen=True)
class StopCase:
    name: str
    curve: Curve
    below: StopReason
    above: StopReason
    target: float | None = None
    pixels: float | None = None


CENTRED = logistic(0.5, 200.0)
TWO_SIDED_CASES = [
    StopCase("target", CENTRED, StopReason.TARGET, StopReason.TARGET, target=0.3),
    StopCase("floor and ceiling", CENTRED, StopReason.FLOOR, StopReason.CEILING),
    StopCase("a high score", logistic(0.485, 200.0), StopReason.TARGET, StopReason.CEILING),
    StopCase("a low score", logistic(0.515, 200.0), StopReason.FLOOR, StopReason.TARGET),
    StopCase("pixels", logistic(0.5, 4.0), StopReason.PIXEL_CHANGE, StopReason.PIXEL_CHANGE),
    StopCase("reversal", hill, StopReason.REVERSED, StopReason.REVERSED, target=1.0),
    StopCase("the last step", plateau, StopReason.LAST_LAMBDA, StopReason.LAST_LAMBDA, target=1.0, pixels=1.0),
]


@pytest.mark.parametrize("case", TWO_SIDED_CASES, ids=lambda case: case.name)
def test_two_sided_says_why_it_stopped_on_each_side(case: StopCase) -> None:
    options = ExplainOptions(("F0",), target_change=case.target, pixel_change=case.pixels)
    explanation = explain_one(engine_of(case.curve), grey(0.5), options)
    assert (explanation.below.stop, explanation.above.stop) == (case.below, case.above)
    assert explanation.below.limit < 0.0 < explanation.above.limit
    assert (explanation.lambdas[0], explanation.lambdas[-1]) == pytest.approx(
        (explanation.below.limit, explanation.above.limit)
    )
    assert len(explanation.lambdas) == 11
    assert explanation.lambdas[5] == 0.0


def test_two_sided_stops_at_the_first_step_that_reaches_the_target() -> None:
    """On σ(k(z − ½)) at ½, step k asks for the logit 0.25 · 1.4^k: 0.3 is reached past logit 1.386, at k = 6."""
    below = side_of(CENTRED, ExplainOptions(("F0",), target_change=0.3), -1)
    assert below.limit == pytest.approx(-0.25 * 0.25 / 50.0**2 * 1.4**6)


def test_a_first_step_that_moves_too_many_pixels_is_shortened_to_the_limit() -> None:
    """At h' = 1 the first step moves the grey by 1/16, an eighth of it: four fifths of that is a tenth."""
    options = replace(TWO_SIDED, pixel_change=0.1)
    explanation = explain_one(engine_of(logistic(0.5, 4.0)), grey(0.5), options)
    assert explanation.below.limit == pytest.approx(-0.05, rel=1e-5)


def test_a_later_step_that_moves_too_many_pixels_is_not_kept() -> None:
    """With a third of all pixels allowed the steps 1/16 · 1.4^k, k = 0 to 2, stay below 1/6 and the next does not."""
    above = side_of(logistic(0.5, 4.0), ExplainOptions(("F0",), pixel_change=1 / 3), +1)
    assert above.stop is StopReason.PIXEL_CHANGE
    assert above.limit == pytest.approx(1.4**2 / 16)


def test_a_step_at_which_the_score_turns_back_is_not_kept() -> None:
    above = side_of(hill, ExplainOptions(("F0",), target_change=1.0), +1)
    slope = 0.3 * math.pi / 0.02
    reached = above.limit * slope
    assert reached < 0.01 * 1.4  # the top, or one step beyond it
    assert above.evaluated >= 2


def sloped(start: float, slope: float) -> Curve:
    """A straight line through ``start`` at the grey 0.5."""
    return lambda means: start + slope * (means - 0.5)


def dented(start: float, slope: float, until: float) -> Curve:
    """Falls with ``slope`` as the grey falls, down to a score of ``until``, and then rises again."""
    return lambda means: until + (start + slope * (means - 0.5) - until).abs()


@pytest.mark.parametrize(
    ("curve", "darkest", "stop", "limit"),
    [
        # s(λ) = s₀ + λ slope², so each λ below is the first of 0, −10, −21, −34, −48, −63, ... past a bound.
        # Units that begin at 100 leave room for it: 5% of Σ|x₀| is then 5 greys, and not a fortieth of one.
        (dented(0.8, 0.01, 0.7980), 100.0, StopReason.REVERSED, -34.0),
        (sloped(0.1, 0.04), 100.0, StopReason.FLOOR, -34.0),
        (sloped(0.95, 0.2), 100.0, StopReason.TARGET, -21.0),
        (sloped(0.8, 0.001), 100.0, StopReason.LAST_LAMBDA, -3103.0),
        (sloped(0.5, 0.001), 0.0, StopReason.PIXEL_CHANGE, -34.0),
    ],
)
def test_latentshift_stops_as_published(curve: Curve, darkest: float, stop: StopReason, limit: float) -> None:
    side = side_of(curve, LATENTSHIFT, -1, darkest)
    assert (side.stop, side.limit) == (stop, limit)


def test_latentshift_is_one_sided_with_ten_even_frames() -> None:
    explanation = explain_one(engine_of(sloped(0.1, 0.04), darkest=100.0), grey(0.5), LATENTSHIFT)
    assert explanation.above == Side(StopReason.NOT_SEARCHED, 0.0, 0)
    assert explanation.below.evaluated == 4
    np.testing.assert_allclose(explanation.lambdas, np.linspace(-34.0, 0.0, 10), rtol=1e-6)
    np.testing.assert_allclose(explanation.score_curve, 0.1 + 0.0016 * explanation.lambdas, atol=1e-6)


@pytest.mark.parametrize(
    ("curve", "stop", "limit"),
    [
        (dented(0.8, 0.1, 0.7675), StopReason.REVERSED, -4.0),
        (sloped(0.8, 0.1), StopReason.TARGET, -20.0),
        (sloped(0.8, 0.001), StopReason.LAST_LAMBDA, -1000.0),
    ],
)
def test_gifsplanation_stops_as_published(curve: Curve, stop: StopReason, limit: float) -> None:
    side = side_of(curve, GIFSPLANATION, -1)
    assert (side.stop, side.limit) == (stop, limit)


def test_fixed_searches_nothing_and_keeps_the_callers_range() -> None:
    options = ExplainOptions(("F0",), profile=Profile.FIXED, lambda_min=-2.0, lambda_max=1.0, frames=4)
    explanation = explain_one(engine_of(sloped(0.5, 0.1)), grey(0.5), options)
    assert explanation.below == Side(StopReason.NOT_SEARCHED, -2.0, 0)
    assert explanation.above == Side(StopReason.NOT_SEARCHED, 1.0, 0)
    np.testing.assert_allclose(explanation.lambdas, [-2.0, -1.0, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(explanation.score_curve, 0.5 + 0.01 * explanation.lambdas, atol=1e-6)


# ---- courses and waves against a plain loop ----


def wavy(centre: float, height: float, frequency: float, phase: float) -> Curve:
    return lambda means: centre + height * torch.sin(frequency * means + phase)


def bump(top: float, width: float, height: float) -> Curve:
    """0.1, and around the grey ``top`` as much as ``height`` more."""
    return lambda means: 0.1 + height * torch.exp(-(((means - top) / width) ** 2))


WAVES = st.builds(wavy, st.floats(0.3, 0.7), st.floats(0.01, 0.29), st.floats(0.5, 60.0), st.floats(0.0, 6.0))
ONE_WAY = st.builds(logistic, st.floats(0.1, 0.9), st.floats(1.0, 400.0))
TURNING = st.builds(bump, st.floats(0.3, 0.7), st.floats(0.1, 0.4), st.floats(0.1, 0.85))
PUBLISHED = st.sampled_from([LATENTSHIFT, GIFSPLANATION])
BOTH_WAYS = st.builds(
    ExplainOptions,
    target_change=st.sampled_from([None, 0.05, 0.3, 1.0]),
    pixel_change=st.sampled_from([None, 0.01, 0.05, 1.0]),
)
FIXED = st.just(ExplainOptions(profile=Profile.FIXED, lambda_min=-1.0))
GREYS = st.floats(0.05, 0.95)
Entry = tuple[Curve, ExplainOptions, float]


class Setting:
    """What a search of one curve at one grey needs, probed one λ at a time."""

    def __init__(self, curve: Curve, options: ExplainOptions, value: float) -> None:
        self.passes = Passes(as_model(CurveModel((curve,))), Shapes(probe=1))
        self.targets = aim(self.passes, torch.tensor([[value]]), [0], [0])
        squared_norm = float(self.targets.squared_norms[0])
        self.start = float(self.targets.start[0])
        self.responsive = squared_norm > 1e-12
        both = walks(options, self.start, squared_norm) if self.responsive else ()
        self.walks = [walk for walk in both if walk is not None]

    def observe(self, lam: float) -> Observation:
        if lam == 0.0:
            return Observation(0.0, self.start, 0.0)
        targets = self.targets
        frames, scores = self.passes.probe(targets.latents + torch.tensor(lam, dtype=torch.float32) * targets.gradients)
        change, whole = sums(torch.cat([(frames - targets.reconstructions).abs(), targets.reconstructions.abs()]))
        return Observation(lam, float(scores[0, 0]), change / whole)

    def walk_plainly(self, walk: Walk) -> Side:
        """One λ after the other, as the published loop does."""
        last = Observation(0.0, self.start, 0.0)
        for met, lam in enumerate(walk.lambdas, start=1):
            now = self.observe(float(lam))
            stop = walk.rule(self.start, last, now)
            if stop is not None:
                return Side(stop.reason, stop.limit, met)
            last = now
        raise AssertionError("the rule did not stop at the last λ")

    def follow(self, walk: Walk) -> tuple[Side, dict[int, Observation]]:
        """The walk's own course, told of nothing but what it asks for; and what it was told, by index."""
        course, told = course_of(walk, self.start), dict[int, Observation]()
        try:
            ask = next(course)
            while True:
                assert ask.index not in told
                told[ask.index] = self.observe(float(walk.lambdas[ask.index]))
                ask = course.send(told[ask.index])
        except StopIteration as end:
            ending: Ending = end.value
        assert ending.stop is not None
        return Side(ending.stop.reason, ending.stop.limit, ending.asked), told


@settings(max_examples=60, deadline=None)
@given(WAVES, PUBLISHED, GREYS)
def test_the_published_profiles_stop_where_a_plain_loop_stops(
    curve: Curve, options: ExplainOptions, value: float
) -> None:
    setting = Setting(curve, options, value)
    for walk in setting.walks:
        side, _ = setting.follow(walk)
        assert side == setting.walk_plainly(walk)


@settings(max_examples=150, deadline=None)
@given(st.one_of(ONE_WAY, TURNING), BOTH_WAYS, GREYS)
def test_a_bracket_stops_where_a_plain_loop_stops_if_the_score_turns_once_at_most(
    curve: Curve, options: ExplainOptions, value: float
) -> None:
    setting = Setting(curve, options, value)
    for walk in setting.walks:
        side, _ = setting.follow(walk)
        plain = setting.walk_plainly(walk)
        assert (side.stop, side.limit) == (plain.stop, plain.limit)


@settings(max_examples=100, deadline=None)
@given(WAVES, BOTH_WAYS, GREYS)
def test_a_bracket_stops_between_neighbours_of_the_schedule_whatever_the_score_does(
    curve: Curve, options: ExplainOptions, value: float
) -> None:
    setting = Setting(curve, options, value)
    for walk in setting.walks:
        side, told = setting.follow(walk)
        at = {-1: Observation(0.0, setting.start, 0.0), **told}
        stops = {k: walk.rule(setting.start, at[k - 1], at[k]) for k in told if k - 1 in at}
        assert Stop(side.stop, side.limit) in stops.values()
        assert side.evaluated == len(told) <= len(walk.lambdas)
        if side.stop in (StopReason.PIXEL_CHANGE, StopReason.REVERSED):
            assert setting.observe(side.limit).change <= (options.pixel_change or 0.15) * (1 + 1e-5)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(WAVES, ONE_WAY, TURNING), st.one_of(PUBLISHED, BOTH_WAYS, FIXED), GREYS),
        min_size=1,
        max_size=7,
    ),
    st.sampled_from([1, 3, 8, 64]),
    st.sampled_from([1, 5, 256]),
)
def test_waves_stop_where_each_course_alone_stops(
    entries: list[tuple[Curve, ExplainOptions, float]], width: int, budget: int
) -> None:
    """Whatever is searched beside it, and however many λs were tried ahead."""
    settings = [Setting(*entry) for entry in entries]
    assume(all(setting.responsive for setting in settings))
    passes = Passes(as_model(CurveModel(tuple(curve for curve, _, _ in entries))), Shapes(probe=width))
    greys = torch.tensor([[value] for _, _, value in entries])
    targets = aim(passes, greys, list(range(len(entries))), list(range(len(entries))))
    searched = search_ranges(passes, targets, [o for _, o, _ in entries], darkest=0.0, budget=budget)
    for setting, found in zip(settings, searched.ranges, strict=True):
        assert found is not None
        sides = [side for side in (found.below, found.above) if side.stop is not StopReason.NOT_SEARCHED]
        assert sides == [setting.follow(walk)[0] for walk in setting.walks]
    assert len(searched.frames) <= budget


def test_a_bracket_asks_for_few_of_the_many_steps_before_its_stop() -> None:
    """Down to the floor and up to the ceiling are ten and more steps each."""
    setting = Setting(logistic(0.5, 400.0), ExplainOptions(target_change=1.0), 0.5)
    for walk in setting.walks:
        side, _ = setting.follow(walk)
        assert setting.walk_plainly(walk).evaluated == 9
        assert side.evaluated == 3


def test_a_score_already_at_its_goal_costs_one_step() -> None:
    setting = Setting(logistic(0.5, 400.0), ExplainOptions(), 0.51)
    _, above = setting.walks
    assert setting.follow(above)[0] == setting.walk_plainly(above)
    assert setting.follow(above)[0].evaluated == 1


@dataclass(frozen=True)
class Watchful(CurveModel):
    """Notes what each call decodes: a set, for the rows that pad a call."""

    decoded: list[set[float]] = field(default_factory=list)

    def decode(self, latents: Tensor) -> Tensor:
        self.decoded.append(set(latents[:, 0].tolist()))
        return super().decode(latents)


@pytest.mark.parametrize("width", [1, 4, 64])
@pytest.mark.parametrize("frames", [3, 11])
def test_no_shift_is_decoded_twice(width: int, frames: int) -> None:
    model = Watchful((logistic(0.5, 200.0),))
    engine = Engine(model, shapes=Shapes(probe=width))
    reply = engine.explain([Order(grey(0.5), replace(TWO_SIDED, frames=frames))])
    assert not isinstance(reply.outcomes[0], Problem)
    decoded = [latent for call in model.decoded for latent in call]
    assert len(decoded) == len(set(decoded)) == reply.rows - 1  # the first row is the encoder's


def test_a_wide_call_settles_a_lone_search_at_once() -> None:
    """Both walks fit into it whole; the narrow call takes a wave or two more."""

    def calls(width: int) -> int:
        model = Watchful((logistic(0.5, 200.0),))
        explain_one(Engine(model, shapes=Shapes(probe=width)), grey(0.5), TWO_SIDED)
        return len(model.decoded)

    assert calls(64) == 3  # gradient, search, frames
    assert calls(4) == 1 + 2 + 2


@pytest.mark.parametrize(("budget", "at_least"), [(1, 0), (3, 0), (256, 4)])
def test_a_search_keeps_the_frames_at_its_limits_and_no_more_than_its_budget(budget: int, at_least: int) -> None:
    passes = Passes(as_model(CurveModel((logistic(0.5, 200.0),))))
    targets = aim(passes, torch.tensor([[0.5], [0.49]]), [0, 1], [0, 0])
    searched = search_ranges(passes, targets, [ExplainOptions()] * 2, darkest=0.0, budget=budget)
    assert at_least <= len(searched.frames) <= budget
    limits = {
        (i, side.limit) for i, found in enumerate(searched.ranges) if found for side in (found.below, found.above)
    }
    assert set(searched.frames) <= limits
    for (target, lam), (frame, scores) in searched.frames.items():
        alone = Rows(np.array([target]), np.array([lam]))
        (probed,) = probe(passes, targets, alone, budget=1)
        assert torch.equal(frame, probed.frames[0, 0])
        np.testing.assert_array_equal(scores, probed.scores[0])
        assert frame.untyped_storage().nbytes() == frame.nbytes  # no view that holds the rest of its call
