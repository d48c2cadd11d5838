"""Operating points from few validation pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cxrshift.training.operating_points import choose_operating_points

NAN = float("nan")


def choose(scores: Sequence[float], labels: Sequence[float], prior: float = 0.5) -> float:
    rows, known = (np.array([values], dtype=np.float32).T for values in (scores, labels))
    (point,) = choose_operating_points(rows, known, np.array([prior], dtype=np.float32))
    return point


def test_classes_that_part_are_parted_half_way() -> None:
    assert choose([0.1] * 10 + [0.3] * 10, [0] * 10 + [1] * 10) == pytest.approx(0.2)


def test_the_point_is_near_the_best_one_whatever_the_share_of_positives() -> None:
    """Two normal classes in logits: sensitivity + specificity is highest half-way between their means, -3 and -1."""
    rng = np.random.default_rng(1)
    for present, absent in ((30, 1000), (400, 400)):
        logits = np.concatenate([rng.normal(-1, 1, present), rng.normal(-3, 1, absent)])
        point = choose((1 / (1 + np.exp(-logits))).tolist(), [1] * present + [0] * absent)
        assert np.log(point / (1 - point)) == pytest.approx(-2, abs=0.5)


def test_unknown_labels_take_no_part() -> None:
    scores, labels = [0.1] * 10 + [0.3] * 10, [0.0] * 10 + [1.0] * 10
    assert choose([*scores, 0.99, 0.01], [*labels, NAN, NAN]) == choose(scores, labels)


def test_few_positives_put_it_between_the_classes_and_none_at_the_prior() -> None:
    assert choose([0.2] * 9 + [0.8], [0] * 9 + [1]) == pytest.approx(0.5)
    assert choose([0.2] * 9 + [0.8], [0] * 10, prior=0.07) == pytest.approx(0.07)
    assert choose([0.2], [NAN], prior=0.0) == pytest.approx(0.001)  # a point at 0 would call everyone
