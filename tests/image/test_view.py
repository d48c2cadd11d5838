"""A header that says that this is no frontal view of a chest raises a doubt; silence raises none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cxrshift.errors import CodedError
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.dicom_view import LATERAL, OBLIQUE, OTHER_PART
from tests.image.dicom_files import dicom_file

PICTURE = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24)


@pytest.mark.parametrize(
    ("attributes", "doubts"),
    [
        ({}, ()),
        ({"ViewPosition": "PA", "BodyPartExamined": "CHEST"}, ()),
        ({"ViewPosition": "LLD", "BodyPartExamined": "RIBCAGE"}, ()),
        ({"ViewPosition": "", "BodyPartExamined": ""}, ()),
        ({"ViewPosition": "LL"}, (LATERAL,)),
        ({"ViewPosition": "LATERAL "}, (LATERAL,)),
        ({"PatientOrientation": ["A", "F"]}, (LATERAL,)),
        ({"ViewPosition": "AP", "PatientOrientation": ["A", "F"]}, ()),
        ({"ViewPosition": "RAO"}, (OBLIQUE,)),
        ({"BodyPartExamined": "KNEE"}, (OTHER_PART,)),
        ({"BodyPartExamined": "FOOT", "ViewPosition": "RL"}, (LATERAL, OTHER_PART)),
        ({"BodyPartExamined": "THORAX STEHEND"}, ()),
    ],
)
def test_only_what_is_plainly_something_else_is_doubted(
    attributes: dict[str, str | list[str]], doubts: tuple[str, ...]
) -> None:
    assert decode_radiograph(dicom_file(PICTURE, **attributes)).doubts == doubts


def test_of_the_real_files_those_of_other_parts_are_doubted(shared_data: Path) -> None:
    doubted = {}
    for path in sorted((shared_data / "dicom").iterdir()):
        try:
            doubts = decode_radiograph(path.read_bytes()).doubts
        except CodedError:
            continue
        if doubts:
            doubted[path.name] = doubts
    assert doubted == {
        "pydicom-data__RG3_J2KI.dcm": (OTHER_PART,),
        "pydicom__6154": (LATERAL, OTHER_PART),
    }
