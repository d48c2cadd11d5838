"""Explanations to protobuf and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from . import explain_pb2 as pb
from .array_codec import decode_array, encode_array
from .option_codec import HEATMAP_KINDS, SALIENCY_KINDS, decode_options, encode_options, member
from .types import (
    Explanation,
    FileDigest,
    HeatmapKind,
    PixelScale,
    QualityCard,
    Receipt,
    SaliencyMap,
    Side,
    StopReason,
)

_STOP_REASONS: Mapping[StopReason, int] = {
    StopReason.NOT_SEARCHED: pb.STOP_REASON_UNSPECIFIED,
    StopReason.TARGET: pb.STOP_REASON_TARGET,
    StopReason.FLOOR: pb.STOP_REASON_FLOOR,
    StopReason.CEILING: pb.STOP_REASON_CEILING,
    StopReason.REVERSED: pb.STOP_REASON_REVERSED,
    StopReason.PIXEL_CHANGE: pb.STOP_REASON_PIXEL_CHANGE,
    StopReason.LAST_LAMBDA: pb.STOP_REASON_LAST_LAMBDA,
}


def field_values(value: object) -> dict[str, Any]:
    """A dataclass's fields by name, as a message of the same fields takes them."""
    return {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]


def encode_explanation(explanation: Explanation, *, compress: bool = False) -> pb.Explanation:
    """An explanation to its message; ``compress`` packs its image arrays losslessly."""
    e = explanation
    return pb.Explanation(
        finding=e.finding,
        findings=e.findings,
        lambdas=encode_array(e.lambdas),
        scores=encode_array(e.scores),
        frames=encode_array(e.frames, compress=compress),
        scale=pb.PixelScale(scale=e.scale.scale, offset=e.scale.offset),
        heatmap=encode_array(e.heatmap, compress=compress),
        heatmap_kind=HEATMAP_KINDS[e.heatmap_kind],  # type: ignore[arg-type]
        radiograph=encode_array(e.radiograph, compress=compress),
        radiograph_scores=encode_array(e.radiograph_scores),
        operating_point=e.operating_point,
        below=_encode_side(e.below),
        above=_encode_side(e.above),
        quality=pb.QualityCard(**field_values(e.quality)),
        receipt=_encode_receipt(e.receipt),
        notice=e.notice,
        saliency=[_encode_saliency(m, compress=compress) for m in e.saliency],
    )


def decode_explanation(message: pb.Explanation) -> Explanation:
    """The message's explanation. Raises CodecError where an array contradicts its own shape."""
    return Explanation(
        finding=message.finding,
        findings=tuple(message.findings),
        lambdas=decode_array(message.lambdas, "lambdas"),
        scores=decode_array(message.scores, "scores"),
        frames=decode_array(message.frames, "frames"),
        scale=PixelScale(message.scale.scale, message.scale.offset),
        heatmap=decode_array(message.heatmap, "heatmap"),
        heatmap_kind=member(HEATMAP_KINDS, message.heatmap_kind, "heatmap_kind", HeatmapKind.MAX),
        radiograph=decode_array(message.radiograph, "radiograph"),
        radiograph_scores=decode_array(message.radiograph_scores, "radiograph_scores"),
        operating_point=message.operating_point,
        below=_decode_side(message.below),
        above=_decode_side(message.above),
        quality=_decode_quality(message.quality),
        receipt=_decode_receipt(message.receipt),
        notice=message.notice,
        saliency=tuple(map(_decode_saliency, message.saliency)),
    )


def _encode_saliency(saliency: SaliencyMap, *, compress: bool) -> pb.SaliencyMap:
    values = encode_array(saliency.values, compress=compress)
    return pb.SaliencyMap(kind=SALIENCY_KINDS[saliency.kind], values=values)  # type: ignore[arg-type]


def _decode_saliency(message: pb.SaliencyMap) -> SaliencyMap:
    return SaliencyMap(member(SALIENCY_KINDS, message.kind, "saliency"), decode_array(message.values, "saliency"))


def _encode_side(side: Side) -> pb.Side:
    return pb.Side(stop=_STOP_REASONS[side.stop], limit=side.limit, evaluated=side.evaluated)  # type: ignore[arg-type]


def _decode_side(message: pb.Side) -> Side:
    stop = member(_STOP_REASONS, message.stop, "stop", StopReason.NOT_SEARCHED)
    return Side(stop, message.limit, message.evaluated)


def _decode_quality(message: pb.QualityCard) -> QualityCard:
    members = {f.name: getattr(message, f.name) for f in fields(QualityCard)}
    members["warnings"] = tuple(message.warnings)
    members["distance"] = message.distance if message.HasField("distance") else None
    return QualityCard(**members)


def _encode_receipt(receipt: Receipt) -> pb.Receipt:
    plain = field_values(receipt)
    plain["files"] = [pb.FileDigest(name=f.name, sha256=f.sha256) for f in receipt.files]
    plain["options"] = encode_options(receipt.options)
    return pb.Receipt(**plain)


def _decode_receipt(message: pb.Receipt) -> Receipt:
    return Receipt(
        model=message.model,
        model_version=message.model_version,
        files=tuple(FileDigest(f.name, f.sha256) for f in message.files),
        preprocessing=message.preprocessing,
        precision=message.precision,
        runtime=message.runtime,
        software=message.software,
        options=decode_options(message.options),
    )
