"""Deletion and insertion of a score that is a sum over pixels, where both curves are known."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor

from cxrshift.evaluation.perturbation import SHARES, Baseline, area_under, erase, perturb

SIDE = 20


def mean_of_half(images: Tensor) -> np.ndarray:
    """The mean of the upper half: deleting a share p of the highest of a map of it leaves max(0, 1 − 2p)."""
    return images[:, 0, : SIDE // 2].mean((1, 2)).numpy()


def test_the_curves_of_a_perfect_map_fall_and_rise_as_fast_as_they_can() -> None:
    image = np.ones((SIDE, SIDE), np.float32)
    heatmap = np.zeros((SIDE, SIDE), np.float32)
    heatmap[: SIDE // 2] = 1.0
    curves = perturb(mean_of_half, image, np.zeros_like(image), heatmap)
    np.testing.assert_allclose(curves.deletion, np.clip(1.0 - 2.0 * SHARES, 0.0, None), atol=2 / SIDE**2)
    np.testing.assert_allclose(curves.insertion, np.clip(2.0 * SHARES, None, 1.0), atol=2 / SIDE**2)
    assert curves.deletion_area == pytest.approx(0.25, abs=0.01)
    assert curves.insertion_area == pytest.approx(0.75, abs=0.01)


def test_a_map_that_points_elsewhere_deletes_last_what_counts() -> None:
    image = np.ones((SIDE, SIDE), np.float32)
    heatmap = np.linspace(0.0, 1.0, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)  # the lower half first
    curves = perturb(mean_of_half, image, np.zeros_like(image), heatmap)
    assert curves.deletion_area == pytest.approx(0.75, abs=0.01)
    assert curves.insertion_area == pytest.approx(0.25, abs=0.01)


def test_the_area_of_a_constant_is_that_constant() -> None:
    assert area_under(np.full(len(SHARES), 0.3)) == pytest.approx(0.3)


def test_a_blurred_baseline_keeps_the_mean_and_a_dark_one_nothing() -> None:
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    blurred = erase(image, Baseline.BLURRED, darkest=-1.0)
    assert blurred.mean() == pytest.approx(image.mean(), abs=0.02)
    assert blurred.std() < 0.2 * image.std()
    assert set(np.unique(erase(image, Baseline.DARKEST, darkest=-1.0))) == {-1.0}
