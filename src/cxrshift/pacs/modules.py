"""What every result has in common, whatever its class: patient, study, series, equipment, and that it is synthetic."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian

from cxrshift_api.types import Explanation

from ..image.dicom import MANUFACTURER
from ..render.canvas import say_finding
from ..render.medical import WARNING
from .codes import SOURCE_IMAGE
from .source import Reference, SourceImage
from .uids import IMPLEMENTATION_UID, derive_uid, name_work

UTF_8 = "ISO_IR 192"
_LONGEST_LO = 64


@dataclass(frozen=True)
class Identity:
    """Which object this is: what its UIDs and numbers are made of."""

    kind: str
    """"stack", "overlay", "report" or "segmentation"."""
    modality: str
    sop_class_uid: UID
    series: int
    """Number of its series; each modality has one of its own."""
    number: int
    """Of its kind among an explanation's objects in the series, from 0; below 2."""


def instance_uid(identity: Identity, source: SourceImage, explanation: Explanation) -> UID:
    """The SOP Instance UID: of the source, the model, its version, the settings, the finding and the kind of object."""
    return derive_uid("instance", source.identity, *name_work(explanation), explanation.finding, identity.kind)


def series_uid(identity: Identity, source: SourceImage, explanation: Explanation) -> UID:
    """The Series Instance UID, the same for every finding: of the source, the model, its version and the settings."""
    return derive_uid("series", source.identity, *name_work(explanation), identity.modality)


def instance_number(identity: Identity, explanation: Explanation) -> int:
    """Its number in the series: the model's findings in order, of each the objects in order, from 1."""
    return 2 * explanation.findings.index(explanation.finding) + identity.number + 1


def refer_to(identity: Identity, source: SourceImage, explanation: Explanation) -> Reference:
    """How another object names the one of ``identity``."""
    return Reference(
        identity.sop_class_uid,
        instance_uid(identity, source, explanation),
        series_uid(identity, source, explanation),
        source.study_instance_uid,
    )


def new_object(identity: Identity, source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    """An object with everything but its content."""
    made = Dataset()
    made.SOPClassUID = identity.sop_class_uid
    made.SOPInstanceUID = instance_uid(identity, source, explanation)
    made.SeriesInstanceUID = series_uid(identity, source, explanation)
    made.InstanceNumber = instance_number(identity, explanation)
    made.SeriesNumber = identity.series
    made.Modality = identity.modality
    made.StudyInstanceUID = source.study_instance_uid
    complete(made, source, explanation, made_at)
    return made


def complete(made: Dataset, source: SourceImage, explanation: Explanation, made_at: datetime) -> None:
    """Add what is the same in all objects of one explanation, over what may be there already."""
    receipt = explanation.receipt
    made.SpecificCharacterSet = UTF_8
    made.update(source.inherited)
    made.SeriesDescription = _shorten(f"{WARNING}: Latent Shift, {receipt.model}")
    made.Manufacturer = MANUFACTURER
    made.ManufacturerModelName = _shorten(f"{receipt.model} {receipt.model_version}")
    made.SoftwareVersions = _shorten(receipt.software or f"cxrshift {version('cxrshift')}")
    local = _in_zone(made_at, source.inherited.get("TimezoneOffsetFromUTC", ""))
    made.InstanceCreationDate = made.SeriesDate = made.ContentDate = local.strftime("%Y%m%d")
    made.InstanceCreationTime = made.SeriesTime = made.ContentTime = local.strftime("%H%M%S")
    for library in made.get("ContributingEquipmentSequence", ()):  # highdicom names itself, with the time of day
        library.ContributionDateTime = local.strftime("%Y%m%d%H%M%S")


def add_source(made: Dataset, source: SourceImage) -> None:
    """Say which image an image was made from, where that image has a name."""
    if source.reference is None:
        return
    item = _reference_item(source.reference)
    item.PurposeOfReferenceCodeSequence = Sequence([code_item(SOURCE_IMAGE)])
    made.SourceImageSequence = Sequence([item])
    series = Dataset()
    series.SeriesInstanceUID = source.reference.series_instance_uid
    series.ReferencedInstanceSequence = Sequence([_reference_item(source.reference)])
    made.ReferencedSeriesSequence = Sequence([series])


def describe(explanation: Explanation) -> str:
    """What the object is about, in a sentence; ASCII, as everything else that viewers show is."""
    column = explanation.findings.index(explanation.finding)
    score = float(explanation.radiograph_scores[column])
    return (
        f"{WARNING}. Latent Shift of {say_finding(explanation.finding)}: score {score:.2f}, "
        f"operating point {explanation.operating_point:.2f}, "
        f"lambda {explanation.lambdas[0]:.3g} to {explanation.lambdas[-1]:.3g}."
    )


def code_item(code: Code) -> Dataset:
    """A code as an item of a sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def to_part_10(made: Dataset) -> bytes:
    """The object as a file, Explicit VR Little Endian."""
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    made.file_meta.ImplementationVersionName = f"CXRSHIFT_{version('cxrshift')}"[:16]
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def _reference_item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reference.frame:
        item.ReferencedFrameNumber = reference.frame
    return item


def _in_zone(moment: datetime, offset: str) -> datetime:
    """``moment`` in the zone that the source's times are in, ``+0100`` for one, else in this machine's own."""
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdecimal():
        minutes = 60 * int(offset[1:3]) + int(offset[3:])
        return moment.astimezone(timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))
    return moment.astimezone()


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_LO else text[: _LONGEST_LO - 3] + "..."
