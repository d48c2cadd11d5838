"""Distances between sets of latents, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cxrshift.evaluation.realism import frechet_distance, halved_distance, pool_latents, project, tell_apart

RNG = np.random.default_rng(5)


def test_the_frechet_distance_of_scaled_and_shifted_normals_is_the_closed_form() -> None:
    sample = RNG.normal(size=(500, 3))
    assert frechet_distance(sample, sample) == pytest.approx(0.0, abs=1e-9)
    shifted = sample + np.array([3.0, 0.0, 4.0])
    assert frechet_distance(sample, shifted) == pytest.approx(25.0)
    # of N(0, C) and N(0, 4 C): tr(C + 4 C - 2 · 2 C) = tr C
    assert frechet_distance(sample, 2.0 * sample - sample.mean(0)) == pytest.approx(np.trace(np.cov(sample.T)))


def test_a_set_is_no_further_from_itself_than_from_another_draw_of_the_same() -> None:
    one, other = RNG.normal(size=(2, 400, 4))
    floor = halved_distance(one, one)
    assert halved_distance(one, other) == pytest.approx(floor, abs=0.05)
    assert halved_distance(one, other + 1.0) == pytest.approx(4.0 + floor, abs=0.6)


def test_projected_radiographs_have_unit_variance_in_fewer_dimensions() -> None:
    real = RNG.normal(size=(80, 30)) * np.arange(1, 31)
    inside, moved = project(real, real + 1.0)
    assert inside.shape == moved.shape == (80, 10)
    assert np.square(inside).sum(1).mean() == pytest.approx(1.0)


def test_latents_are_pooled_over_places() -> None:
    latents = torch.arange(24.0).reshape(2, 3, 2, 2)
    np.testing.assert_allclose(pool_latents(latents), [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]])
    np.testing.assert_allclose(pool_latents(latents.flatten(1))[:, 0], [0.0, 12.0])


def test_equal_sets_cannot_be_told_apart_and_shifted_ones_can() -> None:
    one, other = RNG.normal(size=(2, 120, 5))
    patients = [str(i // 2) for i in range(120)]
    assert tell_apart(one, other, patients) == pytest.approx(0.5, abs=0.12)
    assert tell_apart(one, other + 2.0, patients) > 0.95
    assert math.isnan(tell_apart(one[:4], other[:4], ["a", "a", "b", "b"]))
