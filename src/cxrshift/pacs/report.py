"""The numbers of an explanation as a Comprehensive 3D SR by TID 1500 (PS3.16), for systems that read reports.

One measurement group speaks of the whole image: the finding, its scores, the range of the shift, what the quality card
warns of. One more for each region of the thresholded heatmap gives its outline on the source image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import Comprehensive3DSRStorage

from cxrshift_api.types import Explanation, Receipt

from ..image.dicom import MANUFACTURER
from ..render.canvas import grey_window, say_finding
from ..render.medical import WARNING
from . import codes as our
from .evidence import cite_image, name_image
from .geometry import place_points
from .modules import Identity, complete, instance_number, instance_uid, series_uid
from .regions import THRESHOLD, Region, find_regions
from .source import SourceImage
from .uids import DEVICE_UID, derive_uid

REPORT = Identity("report", "SR", Comprehensive3DSRStorage, 9902, 0)

_LONGEST_NUMBER = 16
"""Characters of a decimal string (VR DS)."""


def make_report(source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    """The report. It is complete, preliminary and unverified: nobody has read it yet."""
    image = cite_image(name_image(source, explanation), source)
    regions = enumerate(find_regions(explanation.heatmap), 1)
    groups = [_whole_image(source, explanation), *(_region(source, explanation, each, n) for n, each in regions)]
    made = hd.sr.Comprehensive3DSR(
        evidence=[image],
        content=hd.sr.MeasurementReport(
            observation_context=hd.sr.ObservationContext(observer_device_context=_observer()),
            procedure_reported=our.CHEST_RADIOGRAPHY,
            imaging_measurements=groups,
            title=codes.DCM.ImagingMeasurementReport,
        ),
        series_instance_uid=series_uid(REPORT, source, explanation),
        series_number=REPORT.series,
        sop_instance_uid=instance_uid(REPORT, source, explanation),
        instance_number=instance_number(REPORT, explanation),
        manufacturer=MANUFACTURER,
        is_complete=True,
    )
    complete(made, source, explanation, made_at)
    for group in (our.PRIVATE, our.RADLEX):
        _identify_scheme(made, group)
    return made


def _whole_image(source: SourceImage, explanation: Explanation) -> Any:
    column = explanation.findings.index(explanation.finding)
    score = float(explanation.radiograph_scores[column])
    quality = explanation.quality
    values = (
        (our.SCORE, score),
        (our.OPERATING_POINT, explanation.operating_point),
        (our.RECONSTRUCTION_SCORE, explanation.score),
        (our.LAMBDA_MIN, float(explanation.lambdas[0])),
        (our.LAMBDA_MAX, float(explanation.lambdas[-1])),
        (our.DROP, quality.drop),
        (our.RISE, quality.rise),
        (our.SSIM, quality.ssim),
    )
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(source, explanation, "image"),
        finding_type=our.code_of_finding(explanation.finding),
        algorithm_id=_algorithm(explanation.receipt),
        measurements=[_measure(quantity, value) for quantity, value in values],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(our.PRESENCE, our.YES if score >= explanation.operating_point else our.NO)
        ],
        source_images=[_cite(hd.sr.SourceImageForMeasurementGroup, source, explanation)],
    )
    _comment(group, [f"{WARNING}. {explanation.notice}", *(f"Quality: {words}" for words in quality.warnings)])
    return group


def _region(source: SourceImage, explanation: Explanation, region: Region, number: int) -> Any:
    outline = place_points(region.outline, explanation.heatmap.shape[0], source.radiograph)
    # Single precision is what the attribute holds; it must not put the last point beside the first, or beyond the edge.
    points = np.clip(outline.astype(np.float32), 0, (source.columns, source.rows))
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(source, explanation, f"region {number}"),
        referenced_region=hd.sr.ImageRegion(
            graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
            graphic_data=points,
            source_image=_cite(hd.sr.SourceImageForRegion, source, explanation),
        ),
        finding_type=our.CHANGED_REGION,
        algorithm_id=_algorithm(explanation.receipt),
        measurements=[
            _measure(our.REGION_AREA, 100.0 * region.area * source.radiograph.square.side**2 / source.pixels),
            _measure(our.REGION_CHANGE, 100.0 * region.peak / grey_window(explanation)),
        ],
    )
    _comment(
        group,
        [f"Where the synthetic images change most ({explanation.heatmap_kind} heatmap at least {THRESHOLD:.0%} of its "
         f"largest value) as the score of {say_finding(explanation.finding)} is moved. No outline of a lesion."],
    )  # fmt: skip
    return group


def _measure(quantity: our.Quantity, value: float) -> Any:
    return hd.sr.Measurement(name=quantity.name, value=_round(value), unit=quantity.unit)


def _round(value: float) -> float:
    """``value`` to as many digits as a decimal string holds with sign and exponent, six at least."""
    return float(f"{value:.{_LONGEST_NUMBER - 8}g}")


def _tracking(source: SourceImage, explanation: Explanation, part: str) -> Any:
    uid = derive_uid("tracking", instance_uid(REPORT, source, explanation), part)
    return hd.sr.TrackingIdentifier(uid=uid, identifier=f"Latent Shift, {say_finding(explanation.finding)}, {part}")


def _algorithm(receipt: Receipt) -> Any:
    """Name, version and parameters: what repeats the explanation."""
    settings = {name: value for name, value in asdict(receipt.options).items() if name != "findings"}
    parameters = [f"{name}={value}" for name, value in settings.items() if value not in (None, ())]
    parameters += [f"preprocessing={receipt.preprocessing}", f"precision={receipt.precision}"]
    parameters += [f"runtime={receipt.runtime}", f"software={receipt.software}"]
    parameters += [f"sha256 {file.name}={file.sha256}" for file in receipt.files]
    return hd.sr.AlgorithmIdentification(
        name=f"Latent Shift (arXiv 2102.09475) of {receipt.model}",
        version=receipt.model_version or "unknown",
        manufacturer=MANUFACTURER,
        parameters=parameters,
        family=our.ARTIFICIAL_INTELLIGENCE,
    )


def _observer() -> Any:
    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=DEVICE_UID, name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=MANUFACTURER
        ),
    )


def _cite(kind: Any, source: SourceImage, explanation: Explanation) -> Any:
    reference = name_image(source, explanation)
    frames = [reference.frame] if reference.frame else None
    return kind(reference.sop_class_uid, reference.sop_instance_uid, frames)


def _comment(group: Any, sentences: Sequence[str]) -> None:
    """Sentences at the end of a measurement group, whose templates are extensible (PS3.16 TID 1410 and 1501)."""
    for sentence in sentences:
        item = hd.sr.TextContentItem(our.COMMENT, sentence, hd.sr.RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(item)


def _identify_scheme(made: Dataset, designator: str) -> None:
    """Say whose codes those of ``designator`` are (PS3.3 C.12.1.1.1), for schemes that a reader may not know."""
    names = {our.PRIVATE: ("cxrshift's own codes", MANUFACTURER), our.RADLEX: ("RadLex", "RSNA")}
    item = Dataset()
    item.CodingSchemeDesignator = designator
    item.CodingSchemeName, item.CodingSchemeResponsibleOrganization = names[designator]
    made.CodingSchemeIdentificationSequence = [*made.get("CodingSchemeIdentificationSequence", []), item]
