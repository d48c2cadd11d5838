"""Which DICOM objects are projection radiographs of the kind that a chest X-ray classifier reads.

Accepted are Computed Radiography, Digital X-Ray For Presentation and Secondary Capture (all five classes), where the
modality is CR, DX or RG, or says nothing (absent, OT, SC). An object without a SOP class must have one of the first
three. Refused are, beside everything that is no X-ray projection (CT, MR, US, NM, SEG, SR, ...):

- this service's own results, which are pictures of radiographs;
- Digital X-Ray For Processing: raw detector counts, not yet made into the picture that a classifier knows;
- mammography (MG), dental (IO, PX) and moving X-rays (XA, RF): projections, but never the standing chest film.

The body part is no reason to refuse: BodyPartExamined is often absent, wrong or in the vendor's own words. It may raise
a doubt, which the quality card repeats (``dicom_view``).
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from ..errors import UnsupportedImage

_CLASSES = {
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
}
MANUFACTURER = "cxrshift"
"""What this service's own results name as their maker: pictures of radiographs, but none themselves."""
_RADIOGRAPHY = {"CR", "DX", "RG"}
_UNSTATED = {"", "OT", "SC"}
_NAMED = {"CT", "MR", "US", "NM", "PT", "MG", "XA", "RF", "IO", "PX", "SEG", "SR", "SM", "ECG", "PR", "KO"} | {
    "RTDOSE",
    "RTIMAGE",
    "RTPLAN",
    "RTSTRUCT",
}
"""Modalities that a message may name; any other text is the caller's own."""
_RIGHT = "send a CR, a DX For Presentation, or a Secondary Capture of one"


def refuse_other_kinds(header: Dataset) -> None:
    """Raise UnsupportedImage for what is no projection radiograph of the chest's kind, or holds no pixels."""
    sop_class = header.get("SOPClassUID")
    modality = str(header.get("Modality") or "").strip().upper()
    if sop_class == DigitalXRayImageStorageForProcessing or _for_processing(header):
        raise UnsupportedImage("The DICOM image is raw detector data (For Processing); send the one For Presentation.")
    if header.get("Manufacturer") == MANUFACTURER:
        raise UnsupportedImage(f"The DICOM object is itself an explanation by this service; {_RIGHT}.")
    allowed = _RADIOGRAPHY | _UNSTATED if sop_class else _RADIOGRAPHY
    if modality not in allowed:
        stated = f"has the modality {modality}" if modality in _NAMED else "does not state a radiograph's modality"
        raise UnsupportedImage(f"The DICOM object {stated}; {_RIGHT}.")
    if sop_class and sop_class not in _CLASSES:
        raise UnsupportedImage(f"The DICOM object is of a class that is no projection radiograph; {_RIGHT}.")
    if "PixelData" not in header:
        raise UnsupportedImage(f"The DICOM object holds no pixel data; {_RIGHT}.")


def _for_processing(header: Dataset) -> bool:
    return str(header.get("PresentationIntentType") or "").strip().upper() == "FOR PROCESSING"
