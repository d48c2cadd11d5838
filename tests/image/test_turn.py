"""A picture that lies on its side, its head or its mirror image is set upright, and what was found goes back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cxrshift.image.decode import decode_radiograph
from cxrshift.image.radiograph import UPRIGHT, Radiograph, Square, Turn
from tests.image.dicom_files import dicom_file

EVERY_TURN = [Turn(*ways) for ways in itertools.product((False, True), repeat=3)]
PICTURE = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24) // 2

LYING = {
    "L\\F": UPRIGHT,
    "R\\F": Turn(reverse_columns=True),
    "L\\H": Turn(reverse_rows=True),
    "R\\H": Turn(reverse_rows=True, reverse_columns=True),
    "F\\L": Turn(transpose=True),
    "F\\R": Turn(transpose=True, reverse_columns=True),
    "H\\L": Turn(transpose=True, reverse_rows=True),
    "H\\R": Turn(transpose=True, reverse_rows=True, reverse_columns=True),
}


@pytest.mark.parametrize("turn", EVERY_TURN)
def test_undoing_a_turn_gives_the_picture_back(turn: Turn) -> None:
    np.testing.assert_array_equal(turn.undo(turn.apply(PICTURE)), PICTURE)


@pytest.mark.parametrize("turn", EVERY_TURN)
def test_a_point_goes_back_with_its_pixel(turn: Turn) -> None:
    upright = turn.apply(PICTURE)
    for row, column in ((0, 0), (3, 17), (upright.shape[0] - 1, 5)):
        [(x, y)] = turn.undo_points(np.array([[column + 0.5, row + 0.5]]), *upright.shape)
        assert PICTURE[int(y), int(x)] == upright[row, column]
        assert (x % 1, y % 1) == (0.5, 0.5)


@pytest.mark.parametrize(("orientation", "turn"), list(LYING.items()))
def test_the_head_is_up_and_the_left_side_on_the_right(orientation: str, turn: Turn) -> None:
    """The picture as it should be, laid down by the inverse of the turn, comes back as it should be."""
    data = dicom_file(turn.undo(PICTURE), PatientOrientation=orientation.split("\\"))
    radiograph = decode_radiograph(data)
    assert radiograph.turn == turn
    np.testing.assert_allclose(radiograph.pixels * 255, PICTURE, atol=1e-4)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (["A", "F"], UPRIGHT),
        (["P", "F"], UPRIGHT),
        (["P", "H"], Turn(reverse_rows=True)),
        (["LP", "FA"], UPRIGHT),
        (["RA", "F"], Turn(reverse_columns=True)),
        (["L", "P"], UPRIGHT),
        (["F", "H"], UPRIGHT),
        (["X", "F"], UPRIGHT),
        (["", ""], UPRIGHT),
        ("L", UPRIGHT),
        ("", UPRIGHT),
        (None, UPRIGHT),
    ],
)
def test_a_lateral_view_keeps_its_side_and_nonsense_changes_nothing(
    orientation: list[str] | str | None, turn: Turn
) -> None:
    attributes = {} if orientation is None else {"PatientOrientation": orientation}
    assert decode_radiograph(dicom_file(PICTURE, **attributes)).turn == turn


def test_an_animal_is_left_as_it_lies() -> None:
    data = dicom_file(PICTURE, PatientOrientation=["R", "H"], AnatomicalOrientationType="QUADRUPED")
    assert decode_radiograph(data).turn == UPRIGHT


def test_the_square_is_the_largest_in_the_middle() -> None:
    assert Radiograph(np.zeros((25, 20), np.float32)).square == Square(top=2, left=0, side=20)
    assert Radiograph(np.zeros((20, 25), np.float32)).square == Square(top=0, left=2, side=20)
