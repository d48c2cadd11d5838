"""Fewer frames where the deadline is too near for those asked for, and only for those who said that fewer will do."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from cxrshift.core.engine import Engine, Order
from cxrshift.core.shift import Wanted, choose_frames
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, Explanation, Problem, Profile
from tests.core.toys import LinearModel, noise

OPTIONS = ExplainOptions(("A",), frames=21, least_frames=3)
FIXED = ExplainOptions(("A",), Profile.FIXED, frames=21, lambda_min=-1.0, lambda_max=1.0)


def explain(engine: Engine, *orders: Order) -> list[Explanation]:
    explained: list[Explanation] = []
    for outcome in engine.explain(orders).outcomes:
        assert not isinstance(outcome, Problem), outcome
        explained.extend(outcome)
    return explained


def asked(frames: int, least: int | None, deadline: float | None) -> Wanted:
    return Wanted(0, 0, ExplainOptions(frames=frames, least_frames=least), deadline)


def test_the_share_of_frames_is_the_share_of_the_time_that_there_is() -> None:
    plenty, short, shorter = asked(20, 2, 200.0), asked(20, 2, 110.0), asked(20, 6, 101.0)
    assert choose_frames([plenty], 100.0, 1.0) == [20]
    assert choose_frames([short], 100.0, 1.0) == [10]
    assert choose_frames([short, short], 100.0, 1.0) == [5, 5]
    assert choose_frames([plenty, shorter, asked(20, 2, 90.0)], 100.0, 1.0) == [20, 6, 2]
    assert choose_frames([asked(20, None, 101.0), asked(20, 2, None)], 100.0, 1.0) == [20, 20]
    assert choose_frames([short], 100.0, 0.0) == [20]  # nobody knows how long a row takes


def test_a_late_explanation_has_fewer_frames_and_says_so() -> None:
    engine = Engine(LinearModel())
    whole, few = explain(engine, Order(noise(0, 16, 16), OPTIONS), Order(noise(0, 16, 16), OPTIONS))
    assert whole.frames.shape[0] == few.frames.shape[0] == 21
    [late] = explain(engine, Order(noise(0, 16, 16), OPTIONS, perf_counter()))
    assert late.frames.shape[0] == late.receipt.options.frames == 3
    assert late.quality.warnings[-1] == "Time was short: 3 frames instead of 21."
    assert not any("short" in warning for warning in whole.quality.warnings)


def test_its_receipt_is_enough_to_get_the_same_again() -> None:
    engine = Engine(LinearModel())
    explain(engine, Order(noise(0, 16, 16), OPTIONS))
    [late] = explain(engine, Order(noise(0, 16, 16), OPTIONS, perf_counter()))
    [again] = explain(engine, Order(noise(0, 16, 16), late.receipt.options))
    np.testing.assert_array_equal(late.frames, again.frames)
    np.testing.assert_array_equal(late.lambdas, again.lambdas)
    assert replace(again.quality, warnings=()) == replace(late.quality, warnings=())


def test_who_said_nothing_of_fewer_gets_all_to_the_last_bit_beside_one_who_did() -> None:
    engine = Engine(LinearModel())
    [alone] = explain(engine, Order(noise(1, 16, 16), FIXED))
    beside, late = explain(
        engine,
        Order(noise(1, 16, 16), FIXED, perf_counter()),
        Order(noise(1, 16, 16), replace(FIXED, least_frames=5), perf_counter()),
    )
    assert codec.encode_explanation(beside) == codec.encode_explanation(alone)
    assert late.frames.shape[0] == 5


@pytest.mark.parametrize("least", [1, 22, 0])
def test_fewest_frames_must_be_possible(least: int) -> None:
    [outcome] = Engine(LinearModel()).explain([Order(noise(0, 16, 16), replace(OPTIONS, least_frames=least))]).outcomes
    assert isinstance(outcome, Problem)
    assert "2 to the number of frames asked for" in outcome.message
