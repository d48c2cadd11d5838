"""What cannot be explained is its own item's Problem: never a blank heatmap, never a score that is no probability."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import FindingSpec
from cxrshift_api.types import ExplainOptions, Explanation, Problem, ProblemCode, Profile
from tests.core.toys import Curve, CurveModel, engine_of, explain_one, grey, logistic, problem_of, with_specs

F0 = ExplainOptions(("F0",))
STEADY = logistic(0.5, 30.0)


def constant(means: Tensor) -> Tensor:
    return torch.full_like(means, 0.5)


@pytest.mark.parametrize("curve", [constant, lambda means: 0.5 + 0.0 * means, logistic(0.0, 1e4)])
def test_a_score_without_a_gradient_is_a_problem(curve: Curve) -> None:
    problem = problem_of(engine_of(curve), grey(0.5), F0)
    assert problem.code is ProblemCode.UNSUPPORTED_IMAGE
    assert "does not respond" in problem.message


def test_a_gradient_too_small_for_any_shift_in_float32_is_a_problem() -> None:
    problem = problem_of(engine_of(lambda means: 0.5 + 1e-18 * (means - 0.5)), grey(0.4), F0)
    assert problem.code is ProblemCode.UNSUPPORTED_IMAGE


def test_a_search_that_ends_where_it_began_is_a_problem_and_not_a_blank_heatmap() -> None:
    """The published rules stop at once where the score is below 0.05 already."""
    options = ExplainOptions(("F0",), profile=Profile.LATENTSHIFT)
    problem = problem_of(engine_of(logistic(0.52, 200.0)), grey(0.5), options)
    assert problem.code is ProblemCode.INVALID_REQUEST
    assert "latentshift stops before its first step" in problem.message
    assert explain_one(engine_of(logistic(0.52, 200.0)), grey(0.5), F0).quality.rise > 0.5


def broken_above(limit: float, value: float) -> Curve:
    """A steady score up to a grey of ``limit``, and ``value`` beyond it."""
    return lambda means: torch.where(means > limit, torch.full_like(means, value), STEADY(means))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, -0.1])
@pytest.mark.parametrize("limit", [0.3, 0.505], ids=["from the start", "on the way"])
def test_a_score_that_is_no_probability_becomes_an_internal_problem(value: float, limit: float) -> None:
    problem = problem_of(engine_of(broken_above(limit, value)), grey(0.5), F0)
    assert problem.code is ProblemCode.INTERNAL
    assert "probability" in problem.message


def test_a_bad_score_beyond_the_stop_changes_nothing() -> None:
    """Which λs are tried in vain depends on the call's width; what they give must not matter."""
    broken = explain_one(engine_of(broken_above(0.7, math.nan)), grey(0.5), F0)
    sound = explain_one(engine_of(STEADY), grey(0.5), F0)
    assert (broken.below, broken.above) == (sound.below, sound.above)
    np.testing.assert_array_equal(broken.frames, sound.frames)


def test_a_bad_score_of_another_finding_on_a_frame_is_a_problem_too() -> None:
    problem = problem_of(engine_of(STEADY, broken_above(0.51, math.nan)), grey(0.5), F0)
    assert problem.code is ProblemCode.INTERNAL


def test_a_fixed_range_that_breaks_the_model_is_the_callers_to_mend() -> None:
    options = ExplainOptions(("F0",), profile=Profile.FIXED, lambda_max=1.0)
    problem = problem_of(engine_of(broken_above(0.6, math.nan)), grey(0.5), options)
    assert problem.code is ProblemCode.INVALID_REQUEST
    assert "smaller range" in problem.message


def test_a_gradient_that_is_not_finite_is_a_problem() -> None:
    problem = problem_of(engine_of(lambda means: 0.5 + (means - 0.5).abs().sqrt()), grey(0.5), F0)
    assert problem.code is ProblemCode.INTERNAL


class BlindModel(CurveModel):
    """Decodes latents above 0.52 to an infinite pixel that its score does not look at."""

    def decode(self, latents: Tensor) -> Tensor:
        images = super().decode(latents).clone()
        images[:, 0, 0, 0] = torch.where(latents[:, 0] > 0.52, math.inf, images[:, 0, 0, 0])
        return images

    def score(self, images: Tensor) -> Tensor:
        return STEADY(images[:, 0, 1:].mean((1, 2)))[:, None]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (F0, ProblemCode.INTERNAL),
        (ExplainOptions(("F0",), profile=Profile.FIXED, lambda_max=1.0), ProblemCode.INVALID_REQUEST),
    ],
)
def test_a_pixel_that_is_not_finite_is_a_problem(options: ExplainOptions, code: ProblemCode) -> None:
    assert problem_of(Engine(BlindModel((STEADY,))), grey(0.5), options).code is code


def test_neighbours_of_a_broken_item_keep_their_explanations() -> None:
    engine = engine_of(broken_above(0.6, math.nan), constant)
    orders = [
        Order(grey(0.5), F0),
        Order(grey(0.9), F0),
        Order(grey(0.5), ExplainOptions(("F0", "F1"))),
        Order(grey(0.45), F0),
    ]
    first, broken, half, last = engine.explain(orders).outcomes
    assert isinstance(broken, Problem)
    assert broken.code is ProblemCode.INTERNAL
    assert isinstance(half, Problem)  # one of its findings has no gradient: no half answers
    assert half.code is ProblemCode.UNSUPPORTED_IMAGE
    for order, outcome in ((orders[0], first), (orders[3], last)):
        assert not isinstance(outcome, Problem)
        alone = explain_one(engine, order.radiograph, order.options)
        np.testing.assert_array_equal(outcome[0].frames, alone.frames)


def test_classifying_gives_a_problem_for_the_broken_item_only() -> None:
    sound, broken = engine_of(broken_above(0.6, math.nan)).classify([grey(0.5), grey(0.9)])
    assert isinstance(broken, Problem)
    assert not isinstance(sound, Problem)
    assert sound[0].score == pytest.approx(0.5)


def test_a_radiograph_of_nan_is_a_problem() -> None:
    assert problem_of(engine_of(STEADY), grey(math.nan), F0).code is ProblemCode.INTERNAL


def test_a_model_trained_on_nothing_explains_nothing() -> None:
    engine = Engine(with_specs(CurveModel((STEADY,)), [FindingSpec("F0", trained=False)]))
    for options in (ExplainOptions(), F0):
        assert problem_of(engine, grey(0.5), options).code is ProblemCode.UNTRAINED_FINDING


def test_warnings_name_what_stands_out() -> None:
    def warnings(explanation: Explanation) -> str:
        return " ".join(explanation.quality.warnings)

    shifted = explain_one(engine_of(logistic(0.5, 4.0)), grey(0.5), F0)
    assert "too many pixels" in warnings(shifted)
    still = ExplainOptions(("F0",), profile=Profile.FIXED, lambda_max=1e-4)
    assert "hardly moves" in warnings(explain_one(engine_of(STEADY), grey(0.5), still))
    down = ExplainOptions(("F0",), profile=Profile.FIXED, lambda_max=0.1)
    ripple = explain_one(engine_of(lambda m: 0.5 + 0.3 * torch.sin(40 * (m - 0.5))), grey(0.5), down)
    assert "does not follow the shift" in warnings(ripple)
    calm = explain_one(engine_of(logistic(0.5, 200.0)), grey(0.5), F0)
    assert calm.quality.warnings == ()


class Brightened(CurveModel):
    """Reconstructs every image lighter than it is."""

    def decode(self, latents: Tensor) -> Tensor:
        return super().decode(latents + 0.05)


def test_a_reconstruction_that_scores_otherwise_is_warned_of() -> None:
    explanation = explain_one(Engine(Brightened((STEADY,))), grey(0.5), F0)
    assert explanation.quality.score_gap == pytest.approx(1 / (1 + math.exp(-1.5)) - 0.5, rel=1e-4)
    assert any("away from the radiograph" in warning for warning in explanation.quality.warnings)
