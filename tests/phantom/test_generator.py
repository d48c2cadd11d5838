"""Phantoms: the same for the same seed, each finding where its mask says, nothing changed elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from cxrshift.phantom import FINDINGS, PREVALENCE, generate


def test_a_seed_gives_the_same_picture_every_time_and_another_seed_another() -> None:
    one, again, other = generate(3, size=64), generate(3, size=64), generate(4, size=64)
    np.testing.assert_array_equal(one.pixels, again.pixels)
    assert one.findings == again.findings
    assert np.abs(one.pixels - other.pixels).mean() > 0.02


def test_pixels_are_float32_between_0_and_1_and_use_the_range() -> None:
    for seed in range(8):
        pixels = generate(seed, size=96).pixels
        assert pixels.dtype == np.float32
        assert pixels.shape == (96, 96)
        assert 0.0 <= pixels.min() < 0.15
        assert 0.8 < pixels.max() <= 1.0


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_changes_the_picture_at_its_mask_and_hardly_elsewhere(finding: str) -> None:
    for seed in range(20, 24):
        healthy, ill = (generate(seed, size=128, findings=f) for f in ((), (finding,)))
        mask = ill.masks[finding]
        change = np.abs(ill.pixels - healthy.pixels)
        assert ill.findings == (finding,)
        assert healthy.findings == ()
        assert 0.002 < mask.mean() < 0.35
        reached = np.unravel_index(change.argmax(), change.shape)
        rows, columns = np.nonzero(mask)
        nearest = np.hypot(rows - reached[0], columns - reached[1]).min()
        assert nearest <= 0.03 * mask.shape[0]
        # Nothing far from the mask has changed at all: other streams drew the same numbers.
        far = np.ones_like(mask)
        far[max(rows.min() - 20, 0) : rows.max() + 20, max(columns.min() - 20, 0) : columns.max() + 20] = False
        if far.any() and finding != "Pneumothorax":  # a fallen lung is denser all over
            assert change[far].max() < 0.02


def test_two_findings_keep_the_place_that_each_has_alone() -> None:
    both = generate(31, findings=("Mass", "Support Device"))
    device = generate(31, findings=("Support Device",))
    np.testing.assert_array_equal(both.masks["Support Device"], device.masks["Support Device"])
    assert both.findings == ("Mass", "Support Device")


def test_the_picture_is_the_same_at_another_resolution() -> None:
    large, small = generate(12, size=256, findings=("Effusion",)), generate(12, size=128, findings=("Effusion",))
    halved = large.pixels.reshape(128, 2, 128, 2).mean((1, 3))
    assert np.corrcoef(halved.ravel(), small.pixels.ravel())[0, 1] > 0.99
    halved_mask = large.masks["Effusion"].reshape(128, 2, 128, 2).mean((1, 3)) >= 0.5
    assert (halved_mask != small.masks["Effusion"]).mean() < 0.01


def test_drawn_findings_have_their_prevalence() -> None:
    drawn = [len(generate(seed, size=32).findings) for seed in range(200)]
    assert abs(np.mean(drawn) - PREVALENCE * len(FINDINGS)) < 0.2


def test_an_unknown_finding_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="Cardiomegaly, Effusion"):
        generate(1, findings=("Fracture",))


def test_it_looks_like_a_chest_air_is_dark_and_the_heart_bright() -> None:
    for seed in range(6):
        pixels = generate(seed, findings=()).pixels
        lung = np.median(pixels[96:140, 56:84])
        mediastinum = np.median(pixels[120:150, 122:136])
        assert lung < 0.6 < mediastinum
