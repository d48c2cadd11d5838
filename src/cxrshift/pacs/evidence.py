"""The image that a report or a segmentation speaks of, as highdicom wants to be shown it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from cxrshift_api.types import Explanation

from .modules import UTF_8, refer_to
from .secondary_capture import OVERLAY
from .source import Reference, SourceImage


def name_image(source: SourceImage, explanation: Explanation) -> Reference:
    """The source image, or its overlay where the source does not say enough to be referred to.

    Both have the same pixels at the same places.
    """
    return source.reference or refer_to(OVERLAY, source, explanation)


def name_single_image(source: SourceImage, explanation: Explanation) -> Reference:
    """The same for a segmentation, which can only be laid over a frame of a multi-frame image that has geometry."""
    reference = name_image(source, explanation)
    return refer_to(OVERLAY, source, explanation) if reference.frame else reference


def cite_image(reference: Reference, source: SourceImage) -> Dataset:
    """The header of an image of the source's geometry.

    It holds what highdicom reads of a header and no more, with every attribute without which it fails: patient and
    study, class and UIDs, rows and columns.
    """
    image = Dataset()
    image.SpecificCharacterSet = UTF_8
    image.update(source.inherited)
    image.SOPClassUID = reference.sop_class_uid
    image.SOPInstanceUID = reference.sop_instance_uid
    image.SeriesInstanceUID = reference.series_instance_uid
    image.StudyInstanceUID = reference.study_instance_uid
    image.Modality = "OT"
    image.Rows, image.Columns = source.rows, source.columns
    image.PatientOrientation = list(source.patient_orientation)
    return image
