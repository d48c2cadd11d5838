"""Pictures as Secondary Capture images: the frames as a cine, the heatmap over the source. Written with pydicom alone.

PS3.3 A.8.3 (Multi-frame Grayscale Byte) and A.8.1 (Secondary Capture, in true colour). The one picture of the overlay
is no multi-frame image of one frame: every archive and viewer knows the single one.
"""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from cxrshift_api.types import Explanation, UInt8Array

from ..render.animation import MILLISECONDS
from ..render.medical import draw_source_overlay, draw_stack
from .geometry import spread_map
from .modules import Identity, add_source, describe, new_object
from .source import SourceImage

IMAGE_SERIES = 9901
"""SeriesNumber of every picture among the results."""

STACK = Identity("stack", "OT", MultiFrameGrayscaleByteSecondaryCaptureImageStorage, IMAGE_SERIES, 0)
OVERLAY = Identity("overlay", "OT", SecondaryCaptureImageStorage, IMAGE_SERIES, 1)

_CHEST = "CHEST"
"""The only body part that results repeat: of any other, how many there are decides what else must be said."""
_SWEEPING = 1
"""Preferred Playback Sequencing: there and back, as our other moving pictures go; the frames stand in ascending λ."""
_SYNTHETIC, _WORKSTATION = "SYN", "WSD"


def make_stack(source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    """The frames in ascending λ as a multi-frame Grayscale Byte image that a viewer plays there and back."""
    pixels = draw_stack(explanation)
    made = new_object(STACK, source, explanation, made_at)
    _add_image(made, source, explanation, pixels, _SYNTHETIC)
    made.NumberOfFrames, made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PresentationLUTShape = "IDENTITY"
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = 0, 1, "US"
    # The whole range as it is: many viewers would otherwise stretch it, and each frame differently.
    made.WindowCenter, made.WindowWidth = 128, 256
    made.PatientOrientation = _upright_orientation(source)
    _add_cine(made, explanation)
    return made


def make_overlay(source: SourceImage, explanation: Explanation, made_at: datetime) -> Dataset:
    """The heatmap over the source radiograph, a pixel for each of the source's, as a True Color image."""
    radiograph = source.radiograph
    stored = radiograph.turn.undo(radiograph.pixels)
    pixels = draw_source_overlay(explanation, stored, spread_map(explanation.heatmap, radiograph))
    made = new_object(OVERLAY, source, explanation, made_at)
    _add_image(made, source, explanation, pixels, _WORKSTATION)
    made.Rows, made.Columns, made.SamplesPerPixel = pixels.shape
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.PatientOrientation = list(source.patient_orientation)
    made.update(source.pixel_spacing)
    return made


def _add_image(
    made: Dataset, source: SourceImage, explanation: Explanation, pixels: UInt8Array, conversion: str
) -> None:
    """What both kinds of picture have: uint8 ``pixels`` as they are stored, and where they come from."""
    made.SyntheticData = "YES"
    made.ImageType = ["DERIVED", "SECONDARY"]
    if source.body_part == _CHEST:
        made.BodyPartExamined = _CHEST
    else:
        made.Laterality = source.laterality  # of type 2 where there may be two of a part, forbidden where there is one
    made.ConversionType = conversion
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    made["PixelData"].VR = "OB"
    # The attribute asks for text that tells who the patient is. Ours does not; the source's may shine through.
    made.BurnedInAnnotation = "YES" if source.may_show_patient else "NO"
    if source.lossy:
        made.LossyImageCompression = "01"
    made.DerivationDescription = describe(explanation)
    made.ImageComments = " ".join([describe(explanation), *_ascii(explanation.quality.warnings)])
    add_source(made, source)


def _add_cine(made: Dataset, explanation: Explanation) -> None:
    frames = len(explanation.frames)
    made.FrameIncrementPointer = Tag("FrameTime")
    made.FrameTime = MILLISECONDS
    made.CineRate = made.RecommendedDisplayFrameRate = round(1000 / MILLISECONDS)
    made.PreferredPlaybackSequencing = _SWEEPING
    made.StartTrim, made.StopTrim = 1, frames
    made.RepresentativeFrameNumber = explanation.zero_frame + 1
    made.ActualFrameDuration = MILLISECONDS
    made.EffectiveDuration = frames * MILLISECONDS / 1000


def _upright_orientation(source: SourceImage) -> list[str]:
    """Where the source says how it lies, the directions of the picture that was set upright by it."""
    if not source.patient_orientation:
        return []
    turn = source.radiograph.turn
    row, column = source.patient_orientation[::-1] if turn.transpose else source.patient_orientation
    return [_turn_round(row) if turn.reverse_columns else row, _turn_round(column) if turn.reverse_rows else column]


def _turn_round(axis: str) -> str:
    return axis.translate(str.maketrans("LRAPHF", "RLPAFH"))


def _ascii(sentences: tuple[str, ...]) -> list[str]:
    """Viewers of old show no more; the report holds the sentences as they are."""
    plain = str.maketrans({"λ": "lambda", "−": "-", "≥": ">=", "≤": "<=", "×": "x"})
    return [sentence.translate(plain).encode("ascii", "replace").decode() for sentence in sentences]
