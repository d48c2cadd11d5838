"""Synthetic radiographs as a modality would send them: each a study of a patient of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from cxrshift.phantom import generate
from tests.image.dicom_files import dicom_file


def film(number: int, **attributes: Any) -> bytes:
    """A CR of 300 rows and 256 columns, study 1.2.NUMBER.1."""
    phantom = generate(number)
    pixels = np.zeros((300, 256), np.uint16)
    pixels[22:278] = np.round(np.clip(phantom.pixels, 0.0, 1.0) * 65535.0).astype(np.uint16)
    stated = {
        "StudyInstanceUID": f"1.2.{number}.1",
        "SeriesInstanceUID": f"1.2.{number}.2",
        "SOPInstanceUID": f"1.2.{number}.3",
        "PatientID": f"P-{number}",
        "PatientName": f"Film^{number}",
        "PatientBirthDate": "19500101",
        "PatientSex": "O",
        "StudyDate": "20260102",
        "StudyTime": "101112",
        "AccessionNumber": f"A-{number}",
        "StudyID": str(number),
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
    }
    return dicom_file(pixels, **stated | attributes)
