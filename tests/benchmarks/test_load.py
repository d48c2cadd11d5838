"""The arithmetic of the load benchmark, on calls whose times are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.arrivals import Sent, plan_arrivals
from benchmarks.calls import Outcome, mean_batch, quantile
from benchmarks.load import best_rate, to_point
from benchmarks.load_plot import draw_curves


def test_arrivals_are_those_of_a_poisson_process() -> None:
    moments = np.array(plan_arrivals(50.0, 200.0))
    gaps = np.diff(moments)
    assert moments[0] == 0.0
    assert moments[-1] < 200.0
    assert len(moments) == pytest.approx(10_000, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # an exponential's deviation is its mean


def test_a_call_that_was_sent_late_counts_from_the_moment_that_was_meant() -> None:
    sent = [Sent(Outcome(0.1, worker=0.05, engine=0.04, batch=2), late=0.3)] * 4
    point = to_point("grpc", 2.0, sent, elapsed=2.0)
    assert point.p50 == pytest.approx(400.0)
    assert (point.answered, point.mean_batch, point.batches) == (2.0, 2.0, {2: 4})
    assert point.engine_share == pytest.approx(0.04)  # two batches of 0.04 s in 2 s


def test_a_call_that_failed_counts_as_never_answered() -> None:
    good, bad = Sent(Outcome(0.1, batch=1), 0.0), Sent(Outcome(0.001, "UNAVAILABLE"), 0.0)
    point = to_point("grpc", 1.0, [good] * 98 + [bad] * 2, elapsed=10.0)
    assert point.p90 == pytest.approx(100.0)
    assert point.p99 == math.inf
    assert point.error_share == pytest.approx(0.02)
    assert point.errors == {"UNAVAILABLE": 2}
    assert not point.holds(1e9)


def test_a_lucky_point_above_one_that_broke_is_no_best_rate() -> None:
    base = to_point("rest", 1.0, [Sent(Outcome(0.1, batch=1), 0.0)], elapsed=1.0)
    points = [
        replace(base, rate=rate, p99=p99) for rate, p99 in ((1.0, 100.0), (2.0, 900.0), (3.0, 2000.0), (4.0, 10.0))
    ]
    assert best_rate(points, bound=1000.0) == 2.0
    assert best_rate(points, bound=50.0) == 0.0
    assert draw_curves([points], 1000.0, "a machine").startswith(b"\x89PNG")


def test_a_quantile_is_a_value_that_was_measured_and_batches_count_once() -> None:
    assert [quantile([4.0, 1.0, 3.0, 2.0], share) for share in (0.01, 0.5, 0.51, 1.0)] == [1.0, 2.0, 3.0, 4.0]
    assert mean_batch([Outcome(1.0, batch=4)] * 4 + [Outcome(1.0, batch=1)]) == pytest.approx(2.5)
