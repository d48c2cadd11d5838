"""Patients to splits: by their name alone, always the same, in the stated shares."""

from __future__ import annotations

from collections import Counter

from cxrshift.training.splits import Split, split_of


def test_the_rule_is_the_one_stated_to_the_patient() -> None:
    # sha256("0:nih-5") begins with 0c2de15d, which is 0.0476 of 2**32; nih-1 is at 0.2973 and nih-9 at 0.3069.
    assert [split_of(f"nih-{i}") for i in (5, 1, 9)] == [Split.TEST, Split.VALIDATION, Split.TRAIN]


def test_the_shares_are_those_stated_and_another_seed_deals_anew() -> None:
    groups = [f"patient-{i}" for i in range(4000)]
    counts = Counter(map(split_of, groups))
    assert abs(counts[Split.TEST] / 4000 - 0.2) < 0.02
    assert abs(counts[Split.VALIDATION] / 4000 - 0.1) < 0.02
    assert sum(split_of(g, 1) is split_of(g) for g in groups) < 0.65 * 4000
