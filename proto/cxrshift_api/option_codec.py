"""Options and enumerations to protobuf and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from . import explain_pb2 as pb
from .array_codec import CodecError
from .types import ExplainOptions, HeatmapKind, Profile, SaliencyKind

_T = TypeVar("_T")

_PROFILES: Mapping[Profile, int] = {
    Profile.TWO_SIDED: pb.PROFILE_TWO_SIDED,
    Profile.LATENTSHIFT: pb.PROFILE_LATENTSHIFT,
    Profile.GIFSPLANATION: pb.PROFILE_GIFSPLANATION,
    Profile.FIXED: pb.PROFILE_FIXED,
}
HEATMAP_KINDS: Mapping[HeatmapKind, int] = {
    HeatmapKind.MAX: pb.HEATMAP_KIND_MAX,
    HeatmapKind.MEAN: pb.HEATMAP_KIND_MEAN,
    HeatmapKind.FIRST_TO_LAST: pb.HEATMAP_KIND_FIRST_TO_LAST,
    HeatmapKind.INTEGRATED: pb.HEATMAP_KIND_INTEGRATED,
}
SALIENCY_KINDS: Mapping[SaliencyKind, int] = {
    SaliencyKind.INPUT_GRADIENT: pb.SALIENCY_KIND_INPUT_GRADIENT,
    SaliencyKind.INTEGRATED_GRADIENTS: pb.SALIENCY_KIND_INTEGRATED_GRADIENTS,
    SaliencyKind.GUIDED_BACKPROPAGATION: pb.SALIENCY_KIND_GUIDED_BACKPROPAGATION,
}


def member(table: Mapping[_T, int], number: int, field: str, unspecified: _T | None = None) -> _T:
    """The member that ``number`` stands for; ``unspecified`` for 0. Raises CodecError where there is none."""
    if number == 0 and unspecified is not None:
        return unspecified
    for known, value in table.items():
        if value == number:
            return known
    raise CodecError(f"{field} has the unknown value {number}")


def encode_options(options: ExplainOptions) -> pb.ExplainOptions:
    """Options to their message; unset limits stay unset."""
    return pb.ExplainOptions(
        findings=options.findings,
        profile=_PROFILES[options.profile],  # type: ignore[arg-type]
        heatmap=HEATMAP_KINDS[options.heatmap],  # type: ignore[arg-type]
        frames=options.frames,
        lambda_min=options.lambda_min,
        lambda_max=options.lambda_max,
        target_change=options.target_change,
        pixel_change=options.pixel_change,
        saliency=[SALIENCY_KINDS[kind] for kind in options.saliency],  # type: ignore[misc]
        # Left unset where it is the default, so that messages are the bytes that they were before there was a choice.
        source_frame=None if options.source_frame == 1 else options.source_frame,
        least_frames=options.least_frames,
    )


def decode_options(message: pb.ExplainOptions) -> ExplainOptions:
    """The message's options. Raises CodecError for an unknown enumeration value."""

    def optional(name: str) -> float | None:
        return getattr(message, name) if message.HasField(name) else None

    return ExplainOptions(
        findings=tuple(message.findings),
        profile=member(_PROFILES, message.profile, "profile", Profile.TWO_SIDED),
        frames=message.frames if message.HasField("frames") else None,
        heatmap=member(HEATMAP_KINDS, message.heatmap, "heatmap", HeatmapKind.MAX),
        lambda_min=optional("lambda_min"),
        lambda_max=optional("lambda_max"),
        target_change=optional("target_change"),
        pixel_change=optional("pixel_change"),
        saliency=tuple(member(SALIENCY_KINDS, kind, "saliency") for kind in message.saliency),
        source_frame=message.source_frame if message.HasField("source_frame") else 1,
        least_frames=message.least_frames if message.HasField("least_frames") else None,
    )
