"""The thresholded heatmap as a binary Segmentation (PS3.3 A.51), for viewers that lay one over the source."""

from __future__ import annotations

from datetime import datetime

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from cxrshift_api.types import Explanation

from ..image.dicom import MANUFACTURER
from ..render.canvas import say_finding
from .codes import ARTIFICIAL_INTELLIGENCE, CHANGED_REGION, SPATIAL_CONCEPT
from .evidence import cite_image, name_single_image
from .geometry import spread_map
from .modules import Identity, complete, describe, instance_number, instance_uid, series_uid
from .regions import threshold_of
from .source import SourceImage
from .uids import derive_uid

SEGMENTATION = Identity("segmentation", "SEG", SegmentationStorage, 9903, 0)


def make_segmentation(source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    """One segment: the stored pixels at which the heatmap is at least half of its largest value."""
    heatmap = spread_map(explanation.heatmap, source.radiograph)
    limit = threshold_of(explanation.heatmap)
    mask = (heatmap >= limit) & (heatmap > 0)
    receipt, finding = explanation.receipt, say_finding(explanation.finding)
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=f"Latent Shift: {finding}"[:64],
        segmented_property_category=SPATIAL_CONCEPT,
        segmented_property_type=CHANGED_REGION,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"Latent Shift, {receipt.model}"[:64],
            version=receipt.model_version or "unknown",
            family=ARTIFICIAL_INTELLIGENCE,
        ),
        tracking_uid=derive_uid("tracking", instance_uid(SEGMENTATION, source, explanation)),
        tracking_id=f"Latent Shift, {finding}"[:64],
    )
    made = hd.seg.Segmentation(
        source_images=[cite_image(name_single_image(source, explanation), source)],
        pixel_array=mask[None].astype("uint8"),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=series_uid(SEGMENTATION, source, explanation),
        series_number=SEGMENTATION.series,
        sop_instance_uid=instance_uid(SEGMENTATION, source, explanation),
        instance_number=instance_number(SEGMENTATION, explanation),
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=receipt.software[:64] or MANUFACTURER,
        device_serial_number="0",
        content_description=describe(explanation)[:64],
        content_label="LATENT_SHIFT",
        omit_empty_frames=False,
    )
    complete(made, source, explanation, made_at)
    made.PatientOrientation = list(source.patient_orientation)
    organization = derive_uid("dimensions", made.SOPInstanceUID)  # highdicom's own is another each time
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    return made
