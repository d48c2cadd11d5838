"""Bootstrap intervals: their width against the textbook, and patients drawn whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxrshift.evaluation.intervals import Bootstrap, interval


def test_the_interval_of_a_mean_is_as_wide_as_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    patients = [str(i) for i in range(400)]
    found = interval(float(values.mean()), Bootstrap(patients).means(list(values), patients))
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_images_of_one_patient_count_as_one_draw() -> None:
    values = list(np.random.default_rng(2).normal(size=50))
    once = [str(i) for i in range(50)]
    copies = once * 4  # four equal images of each patient tell no more than one
    width = [np.ptp(Bootstrap(p, seed=3).means(v, p)) for v, p in ((values, once), (values * 4, copies))]
    assert width[1] == pytest.approx(width[0])


def test_the_same_resamples_make_a_constant_difference_certain() -> None:
    patients = [str(i) for i in range(20)]
    values = list(np.random.default_rng(4).normal(size=20))
    bootstrap = Bootstrap(patients)
    difference = bootstrap.means([v + 0.25 for v in values], patients) - bootstrap.means(values, patients)
    np.testing.assert_allclose(difference, 0.25)


def test_a_resample_that_draws_no_case_is_no_number_and_is_left_out() -> None:
    bootstrap = Bootstrap(["a", "b"], resamples=200)
    draws = bootstrap.means([0.5], ["a"])
    assert np.isnan(draws).any()
    assert (interval(0.5, draws).low, interval(0.5, draws).high) == (0.5, 0.5)
    assert math.isnan(interval(0.5, np.full(3, np.nan)).low)
