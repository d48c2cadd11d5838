"""A model's map at the stored pixels of the radiograph, whatever its shape and however it lay."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from cxrshift.image.radiograph import Radiograph, Turn
from cxrshift.pacs.geometry import place_points, spread_map
from tests.pacs.sources import blob


@pytest.mark.parametrize(("height", "width", "size"), [(500, 400, 32), (61, 90, 24), (40, 40, 64), (16, 16, 16)])
def test_a_map_is_spread_as_pillow_would_spread_it(height: int, width: int, size: int) -> None:
    values = np.random.default_rng(3).random((size, size)).astype(np.float32)
    radiograph = Radiograph(np.zeros((height, width), np.float32))
    spread = spread_map(values, radiograph)
    assert spread.shape == (height, width)
    assert spread.dtype == np.float32
    side, top, left = radiograph.square.side, radiograph.square.top, radiograph.square.left
    square = spread[top : top + side, left : left + side]
    if side >= size:  # Pillow averages where it makes smaller
        expected = Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(square, np.asarray(expected), atol=1e-5)
    outside = np.ones(spread.shape, bool)
    outside[top : top + side, left : left + side] = False
    assert not spread[outside].any()


@pytest.mark.parametrize("ways", list(itertools.product((False, True), repeat=3)))
def test_the_peak_goes_back_to_where_it_lay(ways: tuple[bool, bool, bool]) -> None:
    turn = Turn(*ways)
    stored = np.zeros((250, 180), np.float32)
    stored[100:110, 60:70] = 1.0  # the finding, in the file
    upright = turn.apply(stored)
    radiograph = Radiograph(upright, turn=turn)
    square = upright[radiograph.square.slices]
    row, column = (int(axis.mean()) for axis in np.nonzero(square))
    values = blob(60, row / 3, column / 3, 2.0)  # as a model of 60 pixels saw it
    spread = spread_map(values, radiograph)
    peak = np.unravel_index(int(spread.argmax()), spread.shape)
    assert spread.shape == stored.shape
    assert np.abs(np.subtract(peak, (104.5, 64.5))).max() <= 3
    [(x, y)] = place_points(np.array([[column / 3 + 0.5, row / 3 + 0.5]]), 60, radiograph)
    assert np.abs(np.subtract((y, x), (105, 65))).max() <= 3
