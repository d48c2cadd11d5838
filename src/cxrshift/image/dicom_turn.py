"""How a DICOM picture lies, by its PatientOrientation (PS3.3 C.7.6.1.1.1), and what sets it upright."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from .radiograph import UPRIGHT, Turn

ORIENTATION_KEYWORDS = ("PatientOrientation", "AnatomicalOrientationType")

_VERTICAL = "HF"
_SIDEWAYS = "LRAP"


def read_turn(header: Dataset) -> Turn:
    """The turn after which the patient's head is up and, in a frontal view, the patient's left is on the right.

    A lateral view keeps the side it looks to. The first letter of each axis decides: oblique views lie as their main
    direction does. A header that says nothing, or nothing that can be, leaves the picture as it is.
    """
    if str(header.get("AnatomicalOrientationType") or "").strip().upper() == "QUADRUPED":
        return UPRIGHT  # other letters, and another way of hanging
    value = header.get("PatientOrientation")
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return UPRIGHT
    row, column = (str(axis).strip().upper()[:1] for axis in value)
    transpose = bool(row) and row in _VERTICAL
    if transpose:
        row, column = column, row
    if not (column and column in _VERTICAL and row and row in _SIDEWAYS):
        return UPRIGHT
    return Turn(transpose, reverse_rows=column == "H", reverse_columns=row == "R")
