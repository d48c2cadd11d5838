"""The radiograph that results are made for: what they take over from it, and how they refer to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import (
    UID,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)

from ..errors import CodedError, UnsupportedImage
from ..image.decode import DecodeLimits, decode_radiograph
from ..image.dicom import is_dicom, read_header
from ..image.libraries import reading
from ..image.limits import DEFAULT_LIMITS
from ..image.radiograph import Radiograph
from .attributes import text_of, uid_of, value_of
from .uids import derive_uid

_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
"""What every object must have, empty where nothing is known."""
_TYPE_3 = (
    "IssuerOfPatientID",
    "PatientBirthTime",
    "PatientSpeciesDescription",
    "PatientBreedDescription",
    "ResponsiblePerson",
    "ResponsibleOrganization",
    "EthnicGroup",
    "PatientComments",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
"""What goes over where the source has it."""
_READ = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "BurnedInAnnotation",
    "LossyImageCompression",
    "BodyPartExamined",
    "ImageLaterality",
    "Laterality",
    "PatientOrientation",
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "PixelSpacingCalibrationDescription",
)

_MULTI_FRAME = (
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)
_SEXES = ("M", "F", "O")


@dataclass(frozen=True)
class Reference:
    """How other objects name a DICOM image."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    frame: int | None = None
    """Number of the frame that is meant, from 1, where the class is one of multi-frame images."""


@dataclass(frozen=True)
class SourceImage:
    """A DICOM radiograph that was explained."""

    radiograph: Radiograph
    identity: str
    """What tells it from every other: its SOP Instance UID, else the SHA-256 of its file."""
    study_instance_uid: str
    """Of the study that results belong to: the source's own, else one derived from its identity."""
    inherited: Dataset
    """Patient and study attributes as text, whatever character set they came in; those of type 2 always."""
    reference: Reference | None
    """None where the source does not say enough of itself to be referred to."""
    body_part: str
    """BodyPartExamined; empty = not stated."""
    laterality: str
    """Side of the body, L or R; empty = not stated, or both."""
    patient_orientation: tuple[str, ...]
    """Directions of its rows and columns; empty = not stated."""
    pixel_spacing: Dataset
    """Calibrated size of a pixel, where it is stated."""
    may_show_patient: bool
    """Whether its pixels may hold burned-in text that names the patient: unless it says that they do not."""
    lossy: bool
    """Whether it says that its pixels were once compressed with loss."""

    @property
    def rows(self) -> int:
        """Rows of the stored picture, before it was set upright."""
        return self.radiograph.width if self.radiograph.turn.transpose else self.radiograph.height

    @property
    def columns(self) -> int:
        """Columns of the stored picture."""
        return self.radiograph.height if self.radiograph.turn.transpose else self.radiograph.width

    @property
    def pixels(self) -> int:
        """Rows times columns."""
        return self.rows * self.columns


def require_dicom(data: bytes) -> None:
    """Raise UnsupportedImage unless ``data`` begins as a DICOM file does: results stand in its study."""
    if not is_dicom(data):
        raise UnsupportedImage(
            "DICOM results are made for a DICOM radiograph alone; send one, or ask for another form."
        )


def study_of(data: bytes) -> str:
    """The Study Instance UID in a DICOM file; empty for another file, and where it is not stated or cannot be read."""
    if not is_dicom(data):
        return ""
    try:
        with reading("DICOM"):
            return uid_of(read_header(data, ("StudyInstanceUID",)), "StudyInstanceUID")
    except CodedError:
        return ""


def read_source(data: bytes, *, frame: int = 1, limits: DecodeLimits = DEFAULT_LIMITS) -> SourceImage:
    """The source in a DICOM file, of several frames the one of number ``frame``.

    Raises what ``decode_radiograph`` raises.
    """
    require_dicom(data)
    radiograph = decode_radiograph(data, frame=frame, limits=limits)
    with reading("DICOM"):
        header = read_header(data, (*_TYPE_2, *_TYPE_3, *_READ), limits)
        own = uid_of(header, "SOPInstanceUID")
        identity = own or hashlib.sha256(data).hexdigest()
        study = uid_of(header, "StudyInstanceUID")
        return SourceImage(
            radiograph=radiograph,
            identity=identity,
            study_instance_uid=study or derive_uid("study", identity),
            inherited=_inherit(header),
            reference=_reference(header, frame),
            body_part=text_of(header, "BodyPartExamined"),
            laterality=_laterality(header),
            patient_orientation=_orientation(header),
            pixel_spacing=_spacing(header),
            may_show_patient=text_of(header, "BurnedInAnnotation") != "NO",
            lossy=text_of(header, "LossyImageCompression") == "01",
        )


def _inherit(header: FileDataset) -> Dataset:
    inherited = Dataset()
    for keyword in _TYPE_2:
        setattr(inherited, keyword, value_of(header, keyword))
    for keyword in _TYPE_3:
        if value := value_of(header, keyword):
            setattr(inherited, keyword, value)
    if inherited.PatientSex not in _SEXES:
        inherited.PatientSex = ""
    if inherited.get("PatientIdentityRemoved") == "YES" and "DeidentificationMethod" not in inherited:
        inherited.DeidentificationMethod = "Not stated by the source image"  # of type 1 then
    return inherited


def _reference(header: FileDataset, frame: int) -> Reference | None:
    """None where a UID is missing or malformed: an archive that checks would refuse what repeats it."""
    reference = Reference(
        sop_class_uid=(kind := uid_of(header, "SOPClassUID")),
        sop_instance_uid=uid_of(header, "SOPInstanceUID"),
        series_instance_uid=uid_of(header, "SeriesInstanceUID"),
        study_instance_uid=uid_of(header, "StudyInstanceUID"),
        frame=frame if kind in _MULTI_FRAME else None,
    )
    uids = (kind, reference.sop_instance_uid, reference.series_instance_uid, reference.study_instance_uid)
    return reference if all(UID(uid).is_valid and uid[0] in "012" for uid in uids) else None


def _laterality(header: FileDataset) -> str:
    stated = (text_of(header, "ImageLaterality"), text_of(header, "Laterality"))
    return next((side for side in stated if side in ("L", "R")), "")


def _orientation(header: FileDataset) -> tuple[str, ...]:
    value = value_of(header, "PatientOrientation")
    return tuple(value) if isinstance(value, list) and len(value) == 2 and all(value) else ()


def _spacing(header: FileDataset) -> Dataset:
    """PixelSpacing and how it was calibrated; a detector's own spacing magnifies and is not taken for it."""
    spacing = Dataset()
    value = value_of(header, "PixelSpacing")
    if isinstance(value, list) and len(value) == 2 and min(map(float, value)) > 0:
        spacing.PixelSpacing = value
        for keyword in ("PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription"):
            if calibration := value_of(header, keyword):
                setattr(spacing, keyword, calibration)
    return spacing
