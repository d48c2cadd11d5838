"""What arrived, as far as it must be known before it is explained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cxrshift.errors import InvalidImage

from ...image.dicom import MANUFACTURER, is_dicom, read_header
from ...image.libraries import reading
from ..attributes import text_of, uid_of
from .settings import Rule

STOW = "stow"
"""Who sent what came by STOW-RS, in place of an AE title."""

_KEYWORDS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "Manufacturer",
    "Modality",
    "BodyPartExamined",
    "StationName",
    "StudyDescription",
)


@dataclass(frozen=True)
class Facts:
    """What rules look at; each empty where it is not stated."""

    modality: str
    body_part: str
    station_name: str
    study_description: str


@dataclass(frozen=True)
class Arrival:
    """A DICOM object that a sender handed over."""

    content: bytes
    """The whole file."""
    caller: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    """Empty where it is not stated."""
    is_own: bool
    """Whether this service made it: results must not be explained in their turn."""
    facts: Facts

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, by which the spool knows it."""
        return digest_of(self.content)

    def choose_rule(self, rules: Sequence[Rule]) -> Rule | None:
        """The first rule that matches."""
        facts = asdict(self.facts)
        return next((rule for rule in rules if rule.match.fits(**facts, caller=self.caller)), None)


def digest_of(content: bytes) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_arrival(content: bytes, caller: str) -> Arrival:
    """What ``caller`` sent. Raises InvalidImage for what is no DICOM object that can be told from others."""
    if not is_dicom(content):
        raise InvalidImage("The bytes are no DICOM file.")
    with reading("DICOM"):
        header = read_header(content, _KEYWORDS)
        own = uid_of(header, "SOPInstanceUID")
        if not own or not uid_of(header, "SOPClassUID"):
            raise InvalidImage("The DICOM object does not say what it is: SOP Class or Instance UID is missing.")
        words = ("Modality", "BodyPartExamined", "StationName", "StudyDescription")
        return Arrival(
            content=content,
            caller=caller,
            sop_class_uid=uid_of(header, "SOPClassUID"),
            sop_instance_uid=own,
            study_instance_uid=uid_of(header, "StudyInstanceUID"),
            is_own=text_of(header, "Manufacturer") == MANUFACTURER,
            facts=Facts(*(text_of(header, word).strip() for word in words)),
        )
