"""The codes that results are written in: one table for the findings, one for what is measured of them.

Findings carry the code of SNOMED CT (scheme SCT) or RadLex (RADLEX) that means the same thing on a chest radiograph.
Where neither has one that was found and could be checked, and for whatever a model of one's own calls its findings,
the code is this project's private one (99CXRSHIFT, PS3.16 section 8.2): its value is derived from the finding's name,
its meaning is the name. A finding is a classifier's output, never a diagnosis; the report says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.sr.coding import Code

from .uids import derive_uid

SCT, RADLEX, PRIVATE = "SCT", "RADLEX", "99CXRSHIFT"
_LONGEST_VALUE = 16
"""Characters of a code value (VR SH)."""
_LONGEST_MEANING = 64
"""Characters of a code meaning (VR LO)."""

FINDING_CODES: Mapping[str, Code] = {
    "atelectasis": Code("46621007", SCT, "Atelectasis"),
    "cardiomegaly": Code("8186001", SCT, "Cardiomegaly"),
    "consolidation": Code("95436008", SCT, "Lung consolidation"),
    "edema": Code("19242006", SCT, "Pulmonary edema"),
    "effusion": Code("60046008", SCT, "Pleural effusion"),
    "emphysema": Code("87433001", SCT, "Pulmonary emphysema"),
    "fibrosis": Code("51615001", SCT, "Fibrosis of lung"),
    "fracture": Code("125605004", SCT, "Fracture of bone"),
    "hernia": Code("RID4895", RADLEX, "hernia"),
    "infiltration": Code("409609008", SCT, "Radiologic infiltrate of lung"),
    "lung opacity": Code("RID28530", RADLEX, "opacity"),
    "mass": Code("309529002", SCT, "Lung mass"),
    "nodule": Code("786838002", SCT, "Nodule of lung"),
    "pneumonia": Code("233604007", SCT, "Pneumonia"),
    "pneumothorax": Code("36118008", SCT, "Pneumothorax"),
    "support device": Code("RID29033", RADLEX, "medical device"),
    # In neither scheme, as far as could be checked: a wrong public code would be read as another finding.
    "enlarged cardiomediastinum": Code("enlarged-cm", PRIVATE, "Enlarged cardiomediastinum"),
    "lung lesion": Code("lung-lesion", PRIVATE, "Lung lesion"),
    "pleural thickening": Code("pleural-thick", PRIVATE, "Pleural thickening"),
}
"""By the name that torchxrayvision and this project's own models use, in small letters, with blanks."""

_ALIASES = {
    "pleural effusion": "effusion",
    "pulmonary edema": "edema",
    "support devices": "support device",
}


@dataclass(frozen=True)
class Quantity:
    """A number in a report: its name, and its unit in UCUM."""

    name: Code
    unit: Code


_NO_UNIT = Code("1", "UCUM", "no units")
_PERCENT = Code("%", "UCUM", "Percent")


def _quantity(value: str, meaning: str, unit: Code = _NO_UNIT) -> Quantity:
    return Quantity(Code(value, PRIVATE, meaning), unit)


SCORE = _quantity("score", "Score of the radiograph")
RECONSTRUCTION_SCORE = _quantity("score-recon", "Score of the reconstruction")
OPERATING_POINT = _quantity("operating-point", "Operating point of the score")
LAMBDA_MIN = _quantity("lambda-min", "Most negative latent shift")
LAMBDA_MAX = _quantity("lambda-max", "Most positive latent shift")
DROP = _quantity("score-drop", "Drop of the score along the shift")
RISE = _quantity("score-rise", "Rise of the score along the shift")
SSIM = _quantity("recon-ssim", "Structural similarity of the reconstruction")
REGION_AREA = _quantity("region-area", "Share of the radiograph", _PERCENT)
REGION_CHANGE = _quantity("region-change", "Largest change, of the grey range", _PERCENT)

CHANGED_REGION = Code("changed-region", PRIVATE, "Region that the latent shift changes most")
PRESENCE = Code("called-present", PRIVATE, "Score at or above the operating point")
YES, NO = Code("373066001", SCT, "Yes"), Code("373067005", SCT, "No")
CHEST_RADIOGRAPHY = Code("399208008", SCT, "Plain chest X-ray")
SPATIAL_CONCEPT = Code("309825002", SCT, "Spatial and Relational Concept")
COMMENT = Code("121106", "DCM", "Comment")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")


def code_of_finding(name: str) -> Code:
    """The code of a finding by the name that a model gives it, ``Pleural_Thickening`` for one."""
    plain = " ".join(re.split(r"[\s_]+", name.strip()))
    key = plain.lower()
    known = FINDING_CODES.get(_ALIASES.get(key, key))
    return known or Code(_private_value(key), PRIVATE, plain[:_LONGEST_MEANING] or "finding")


def _private_value(key: str) -> str:
    """A code value of a finding that no table has: its own letters where they fit, else the end of a UID of it."""
    value = re.sub(r"[^a-z0-9]+", "-", key).strip("-")
    return (
        value if 0 < len(value) <= _LONGEST_VALUE and value.isascii() else derive_uid("finding", key)[-_LONGEST_VALUE:]
    )
