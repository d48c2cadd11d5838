"""DICOM radiographs to make results of, and explanations of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydicom.uid import UID

from cxrshift.image.libraries import silence
from cxrshift_api.types import Explanation, Float32Array
from tests.image.dicom_files import dicom_file, ramp
from tests.render.examples import make_explanation

MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMPLETE: dict[str, Any] = {
    "StudyInstanceUID": UID("1.2.3.1"),
    "SeriesInstanceUID": UID("1.2.3.2"),
    "SOPInstanceUID": UID("1.2.3.3"),
    "PatientID": "P-17",
    "PatientBirthDate": "19480229",
    "PatientSex": "F",
    "StudyDate": "20240102",
    "StudyTime": "101112.5",
    "AccessionNumber": "A-4",
    "StudyID": "S-1",
    "ReferringPhysicianName": "House^Gregory",
    "StudyDescription": "Thorax p.a.",
    "PatientAge": "075Y",
    "BodyPartExamined": "CHEST",
    "PatientOrientation": ["L", "F"],
    "BurnedInAnnotation": "NO",
    "PixelSpacing": [0.2, 0.25],
}


def source_file(rows: int = 300, columns: int = 250, **attributes: Any) -> bytes:
    """A CR that says everything of itself, but for what ``attributes`` change or, by None, leave out."""
    stated = {name: value for name, value in (COMPLETE | attributes).items() if value is not None}
    with silence():  # what is malformed is meant to be
        return dicom_file(ramp(8, rows, columns).astype(np.uint8), **stated)


def with_heatmap(heatmap: Float32Array, explanation: Explanation | None = None) -> Explanation:
    """The explanation with another heatmap."""
    return replace(explanation or make_explanation(), heatmap=heatmap)


def blob(size: int, row: float, column: float, width: float = 3.0) -> Float32Array:
    """(size, size) float32: a Gaussian of height 100 around the centre of a pixel."""
    y, x = np.mgrid[0:size, 0:size]
    return np.asarray(100.0 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2)), np.float32)
