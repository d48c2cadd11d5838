"""Outlines of a heatmap, against areas that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from cxrshift.pacs.regions import MOST_REGIONS, find_regions, threshold_of
from cxrshift_api.types import Float32Array
from tests.pacs.sources import blob


def cone(size: int, row: float, column: float, radius: float, peak: float = 1.0) -> Float32Array:
    """A cone that falls to 0 at ``radius``: at half its height it is a circle of half the radius."""
    y, x = np.mgrid[0:size, 0:size] + 0.5
    return np.asarray(np.clip(peak * (1 - np.hypot(y - row, x - column) / radius), 0, None), np.float32)


def test_the_outline_of_a_cone_is_the_circle_at_half_its_height() -> None:
    [region] = find_regions(cone(64, 30.5, 20.5, 24.0))
    distance = np.hypot(region.outline[:, 0] - 20.5, region.outline[:, 1] - 30.5)
    np.testing.assert_allclose(distance, 12.0, atol=0.05)
    assert region.area == pytest.approx(np.pi * 12**2 / 64**2, rel=0.01)
    assert region.peak == pytest.approx(1.0)
    np.testing.assert_array_equal(region.outline[0], region.outline[-1])


def test_the_highest_peak_comes_first_whatever_its_size() -> None:
    heatmap = np.maximum(cone(96, 20, 20, 30, peak=0.9), cone(96, 70, 70, 8, peak=1.0))
    large, small = sorted(find_regions(heatmap), key=lambda region: -region.area)
    assert (large.peak, small.peak) == pytest.approx((0.9, 1.0), abs=0.1)
    assert find_regions(heatmap)[0].peak == small.peak
    assert large.outline[:, 0].max() < 48 < small.outline[:, 0].min()


def test_a_region_that_runs_off_the_edge_is_closed_along_it() -> None:
    [region] = find_regions(blob(32, 0, 31, width=6))
    assert region.outline.min() == 0
    assert region.outline.max() == 32
    np.testing.assert_array_equal(region.outline[0], region.outline[-1])


def test_a_hole_is_no_region_and_a_ring_is_one() -> None:
    y, x = np.mgrid[0:64, 0:64]
    ring = np.exp(-((np.hypot(y - 32, x - 32) - 16) ** 2) / 8).astype(np.float32)
    [region] = find_regions(ring)
    assert region.area == pytest.approx(np.pi * (16 + np.sqrt(8 * np.log(2))) ** 2 / 64**2, rel=0.02)


def test_squares_that_touch_at_a_corner_stay_apart() -> None:
    heatmap = np.zeros((16, 16), np.float32)
    heatmap[4:8, 4:8] = heatmap[8:12, 8:12] = 1.0
    assert len(find_regions(heatmap)) == 2


def test_the_pixels_within_the_outlines_are_those_above_the_threshold() -> None:
    """By another way to count them: the winding of the outline around every pixel's centre."""
    heatmap = np.random.default_rng(1).random((24, 24)).astype(np.float32)
    heatmap = sum(np.roll(heatmap, shift, axis) for shift in range(6) for axis in (0, 1)).astype(np.float32)  # type: ignore[union-attr]
    heatmap = np.pad(heatmap - heatmap.min(), 2)
    regions = find_regions(heatmap)
    assert 1 <= len(regions) <= MOST_REGIONS
    top = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    x, y = regions[0].outline[:, 0] - (top[1] + 0.5), regions[0].outline[:, 1] - (top[0] + 0.5)
    turns = np.unwrap(np.arctan2(y, x))
    assert abs(turns[-1] - turns[0]) == pytest.approx(2 * np.pi)
    assert regions[0].peak == heatmap.max() > threshold_of(heatmap)


def test_where_nothing_changed_there_is_no_region() -> None:
    assert find_regions(np.zeros((8, 8), np.float32)) == ()


def test_specks_are_left_out_and_many_regions_are_cut_off() -> None:
    heatmap = np.zeros((128, 128), np.float32)
    heatmap[5, 5] = 0.9
    for place in range(8):
        heatmap[20 + 12 * place : 26 + 12 * place, 40:46] = 1.0
    regions = find_regions(heatmap)
    assert len(regions) == MOST_REGIONS
    assert all(region.area > 0.001 for region in regions)
    alone = np.zeros((128, 128), np.float32)
    alone[5, 5] = 0.9
    assert len(find_regions(alone)) == 1
