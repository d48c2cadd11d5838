"""Maps against masks whose answer is plain."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxrshift.evaluation.localisation import auroc, overlap, peak_is_inside, resize_mask


def square(size: int, top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((size, size), dtype=np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def test_overlap_is_one_for_the_mask_itself_and_zero_for_its_opposite() -> None:
    mask = square(20, 4, 4, 6)
    assert overlap(mask.astype(np.float32), mask) == 1.0
    assert overlap((~mask).astype(np.float32), mask) == 0.0


def test_overlap_of_a_shifted_square_is_its_intersection_over_union() -> None:
    heat = square(20, 4, 7, 6).astype(np.float32)
    assert overlap(heat, square(20, 4, 4, 6)) == pytest.approx(18 / 54)


def test_overlap_without_a_mask_is_zero() -> None:
    assert overlap(np.ones((4, 4), dtype=np.float32), np.zeros((4, 4), dtype=np.bool_)) == 0.0


def test_a_peak_counts_up_to_the_tolerance_and_no_further() -> None:
    mask = square(100, 40, 40, 10)
    heat = np.zeros((100, 100), dtype=np.float32)
    for column, inside in ((45, True), (54, True), (55, False)):
        heat[:] = 0
        heat[45, column] = 1
        assert peak_is_inside(heat, mask, tolerance=0.05) is inside, column
    assert not peak_is_inside(heat, np.zeros_like(mask))


def test_a_mask_halves_by_its_covered_share_and_never_vanishes() -> None:
    np.testing.assert_array_equal(resize_mask(square(8, 2, 2, 4), 4), square(4, 1, 1, 2))
    tiny = resize_mask(square(8, 3, 3, 1), 4)
    np.testing.assert_array_equal(tiny, square(4, 1, 1, 1))
    assert not resize_mask(np.zeros((8, 8), dtype=np.bool_), 4).any()


def test_auroc_is_that_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        labels = rng.random(200) < 0.3
        scores = np.round(rng.random(200) + 0.4 * labels, 1)
        assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert np.isnan(auroc(np.ones(3), np.ones(3, dtype=np.bool_)))
