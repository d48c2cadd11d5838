"""The grayscale pipeline on numbers that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cxrshift.image.tones import Lut, Rescale, Tones, Window, render


def row(*values: int, dtype: Any = np.uint16) -> NDArray[Any]:
    return np.array([values], dtype)


def shown(tones: Tones, *values: int, dtype: Any = np.uint16) -> list[float]:
    return [round(float(v), 4) for v in render(row(*values, dtype=dtype), tones)[0]]


def test_eight_bits_span_their_whole_range() -> None:
    assert shown(Tones(8), 0, 51, 204, dtype=np.uint8) == [0, 0.2, 0.8]
    assert shown(Tones(8, signed=True), -128, -77, 127, dtype=np.int8) == [0, 0.2, 1]


def test_deeper_values_without_a_window_span_what_is_present() -> None:
    assert shown(Tones(12), 1000, 1500, 2000) == [0, 0.5, 1]


def test_inverse_makes_the_largest_value_darkest() -> None:
    assert shown(Tones(12, inverse=True), 1000, 1500, 2000) == [1, 0.5, 0]


def test_a_single_value_becomes_black() -> None:
    assert shown(Tones(12), 1000, 1000) == [0, 0]
    assert shown(Tones(12, inverse=True), 1000, 1000) == [0, 0]


def test_a_linear_window_follows_the_formula_of_the_standard() -> None:
    # PS3.3 C.11.2.1.2.1: center 2048, width 4096 is the identity of 12 bits.
    assert shown(Tones(12, voi=Window(2048, 4096)), 0, 4095, 2047, 1) == [0, 1, 0.4999, 0.0002]
    assert shown(Tones(12, voi=Window(100, 1)), 99, 100) == [0, 1]


def test_an_exact_window_has_its_ends_at_half_its_width() -> None:
    assert shown(Tones(12, voi=Window(100, 40, "LINEAR_EXACT")), 80, 90, 120, 500) == [0, 0.25, 1, 1]


def test_a_sigmoid_window_never_overflows() -> None:
    tones = Tones(16, voi=Window(100, 4, "SIGMOID"))
    assert shown(tones, 0, 100, 101, 65535) == [0, 0.5, 0.7311, 1]


def test_a_window_beside_the_picture_is_passed_over() -> None:
    assert shown(Tones(12, voi=Window(30000, 10)), 0, 10, 20) == [0, 0.5, 1]


def test_the_modality_transform_comes_ahead_of_the_window() -> None:
    tones = Tones(12, modality=Rescale(2, -1000), voi=Window(0, 2000, "LINEAR_EXACT"))
    assert shown(tones, 0, 250, 500, 1000) == [0, 0.25, 0.5, 1]
    assert shown(Tones(12, modality=Rescale(-1, 0)), 0, 5, 10) == [1, 0.5, 0]


def test_tables_hold_their_end_entries_beyond_their_ends() -> None:
    modality = Lut(10, np.array([0.0, 5.0, 20.0]))
    assert shown(Tones(12, modality=modality), 0, 10, 11, 12, 99) == [0, 0, 0.25, 1, 1]


def test_a_voi_table_spans_its_own_values_whatever_depth_it_states() -> None:
    voi = Lut(0, np.array([100.0, 200.0, 300.0, 500.0]))
    assert shown(Tones(12, voi=voi), 1, 2) == [0.25, 0.5]


@pytest.mark.parametrize("inverse", [False, True])
def test_padding_is_dark_and_has_no_say_in_the_scale(inverse: bool) -> None:
    tones = Tones(12, padding=(4000, 4095), inverse=inverse)
    hidden = shown(tones, 4095, 100, 150, 200, 4000)
    assert hidden == ([0, 1, 0.5, 0, 0] if inverse else [0, 0, 0.5, 1, 0])


def test_a_picture_of_padding_alone_is_black() -> None:
    assert shown(Tones(12, padding=(7, 7)), 7, 7) == [0, 0]


def test_wide_integers_go_the_same_way_as_narrow_ones() -> None:
    wide = np.random.default_rng(0).integers(0, 1 << 32, (300, 17), dtype=np.uint32)
    unit = (wide - float(wide.min())) / float(wide.max() - wide.min())
    np.testing.assert_allclose(render(wide, Tones(32)), unit, atol=1e-6)
    narrow = (wide >> 17).astype(np.uint16)
    unit = (narrow - float(narrow.min())) / float(narrow.max() - narrow.min())
    np.testing.assert_allclose(render(narrow, Tones(15)), unit, atol=1e-6)
