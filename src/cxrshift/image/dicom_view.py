"""What a DICOM header says that speaks against a frontal view of the chest.

It is doubted, not refused: ViewPosition and BodyPartExamined are often absent, copied from a template, or in the
vendor's own words. Only what is plainly something else counts, and a header that says nothing raises no doubt.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

VIEW_KEYWORDS = ("ViewPosition", "BodyPartExamined")

LATERAL = "The file says that this is a lateral view; the model reads frontal ones."
OBLIQUE = "The file says that this is an oblique view; the model reads frontal ones."
OTHER_PART = "The file says that this shows another part of the body than the chest."

_LATERAL = {"LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT"}
"""Defined terms of View Position (PS3.3 C.8.1.2), and what is written in their place. LLD and RLD are frontal views."""
_OBLIQUE = {"RLO", "LLO", "RAO", "LAO", "RPO", "LPO"}
_OTHER_PARTS = (
    {"SKULL", "HEAD", "NECK", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "SPINE", "COCCYX", "ABDOMEN", "PELVIS", "HIP"}
    | {"SHOULDER", "ELBOW", "WRIST", "HAND", "FINGER", "ARM", "FOREARM", "EXTREMITY", "LEG", "THIGH", "KNEE", "ANKLE"}
    | {"FOOT", "TOE", "JAW", "BREAST", "UPPERARM", "LOWERLEG", "KUB"}
)
"""Of Body Part Examined (PS3.16 annex L). Heart, lung, ribs, clavicle and sternum are seen on a chest film."""


def read_doubts(header: Dataset) -> tuple[str, ...]:
    """Sentences for the quality card, none where the header speaks against nothing."""
    view, part = (str(header.get(keyword) or "").strip().upper() for keyword in VIEW_KEYWORDS)
    row = str((header.get("PatientOrientation") or [""])[0]).upper()
    doubts = []
    if view in _LATERAL or (not view and row[:1] in ("A", "P")):
        doubts.append(LATERAL)
    elif view in _OBLIQUE:
        doubts.append(OBLIQUE)
    if part in _OTHER_PARTS:
        doubts.append(OTHER_PART)
    return tuple(doubts)
