"""An explanation as DICOM objects in the source radiograph's study."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydicom.dataset import Dataset

from cxrshift_api.types import Explanation

from ..image.libraries import silence
from .modules import to_part_10
from .secondary_capture import make_overlay, make_stack
from .source import SourceImage, read_source, require_dicom, study_of

__all__ = ["DEFAULT_KINDS", "DicomObject", "ObjectKind", "make_objects", "require_dicom", "study_of"]


class ObjectKind(StrEnum):
    """What can be made of an explanation."""

    STACK = "stack"
    """The frames: multi-frame Grayscale Byte Secondary Capture with cine attributes."""
    OVERLAY = "overlay"
    """The heatmap over the source radiograph, at its geometry: True Color Secondary Capture."""
    REPORT = "report"
    """The numbers and the outlines: Comprehensive 3D SR, TID 1500."""
    SEGMENTATION = "segmentation"
    """The thresholded heatmap: binary Segmentation."""


DEFAULT_KINDS = (ObjectKind.STACK, ObjectKind.OVERLAY, ObjectKind.REPORT)
"""A segmentation is made only where it is asked for: many viewers lay one over the source unasked."""


@dataclass(frozen=True)
class DicomObject:
    """One object as a Part 10 file."""

    kind: ObjectKind
    finding: str
    sop_class_uid: str
    sop_instance_uid: str
    content: bytes


def make_objects(
    data: bytes,
    explanations: Sequence[Explanation],
    *,
    kinds: Collection[ObjectKind] = DEFAULT_KINDS,
    made_at: datetime | None = None,
) -> tuple[DicomObject, ...]:
    """The objects of ``kinds`` for each explanation of the DICOM radiograph in ``data``, finding by finding.

    The explanations are of one request, and so of one frame where the file has several.

    ``made_at``, with its zone, is the moment that they state; None = now. The same arguments give the same bytes, and
    the same source, model, version, settings and finding the same UIDs at any time. Raises UnsupportedImage,
    InvalidImage and TooLarge for ``data``. Takes up to some seconds: call it in a thread.
    """
    frame = explanations[0].receipt.options.source_frame if explanations else 1
    source, moment = read_source(data, frame=frame), made_at or datetime.now(UTC)
    return tuple(
        _make(kind, source, explanation, moment)
        for explanation in explanations
        for kind in ObjectKind  # in one order, whatever the order asked for
        if kind in kinds
    )


def _make(kind: ObjectKind, source: SourceImage, explanation: Explanation, made_at: datetime) -> DicomObject:
    with silence():
        made = _MAKERS[kind](source, explanation, made_at)
        content = to_part_10(made)
    return DicomObject(kind, explanation.finding, made.SOPClassUID, made.SOPInstanceUID, content)


def _make_report(source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    from .report import make_report  # highdicom takes two seconds to import; pictures do without it

    return make_report(source, explanation, made_at)


def _make_segmentation(source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    from .segmentation import make_segmentation

    return make_segmentation(source, explanation, made_at)


_MAKERS: Mapping[ObjectKind, Callable[[SourceImage, Explanation, datetime], Dataset]] = {
    ObjectKind.STACK: make_stack,
    ObjectKind.OVERLAY: make_overlay,
    ObjectKind.REPORT: _make_report,
    ObjectKind.SEGMENTATION: _make_segmentation,
}
