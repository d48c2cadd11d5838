"""Types to protobuf and back; no other file of the project knows both.

Encoding is deterministic: the same value gives the same bytes, so that "the same explanation" can be checked by
comparing bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from . import explain_pb2 as pb
from .array_codec import CodecError as CodecError  # raised here too, and part of this module's face
from .array_codec import decode_array, encode_array
from .types import (
    ClassifyReply,
    ClassifyRequest,
    Explained,
    ExplainEvent,
    ExplainOptions,
    ExplainReply,
    ExplainRequest,
    Explanation,
    FileDigest,
    FindingScore,
    HeatmapKind,
    HeatmapReady,
    ModelInfo,
    PixelScale,
    Problem,
    ProblemCode,
    Profile,
    Progress,
    QualityCard,
    Receipt,
    Side,
    StageSeconds,
    StopReason,
    WorkReport,
)

_T = TypeVar("_T")

_PROFILES: Mapping[Profile, int] = {
    Profile.TWO_SIDED: pb.PROFILE_TWO_SIDED,
    Profile.LATENTSHIFT: pb.PROFILE_LATENTSHIFT,
    Profile.GIFSPLANATION: pb.PROFILE_GIFSPLANATION,
    Profile.FIXED: pb.PROFILE_FIXED,
}
_HEATMAP_KINDS: Mapping[HeatmapKind, int] = {
    HeatmapKind.MAX: pb.HEATMAP_KIND_MAX,
    HeatmapKind.MEAN: pb.HEATMAP_KIND_MEAN,
    HeatmapKind.FIRST_TO_LAST: pb.HEATMAP_KIND_FIRST_TO_LAST,
    HeatmapKind.INTEGRATED: pb.HEATMAP_KIND_INTEGRATED,
}
_STOP_REASONS: Mapping[StopReason, int] = {
    StopReason.NOT_SEARCHED: pb.STOP_REASON_UNSPECIFIED,
    StopReason.TARGET: pb.STOP_REASON_TARGET,
    StopReason.FLOOR: pb.STOP_REASON_FLOOR,
    StopReason.CEILING: pb.STOP_REASON_CEILING,
    StopReason.REVERSED: pb.STOP_REASON_REVERSED,
    StopReason.PIXEL_CHANGE: pb.STOP_REASON_PIXEL_CHANGE,
    StopReason.LAST_LAMBDA: pb.STOP_REASON_LAST_LAMBDA,
}


def _member(table: Mapping[_T, int], number: int, field: str, unspecified: _T) -> _T:
    if number == 0:
        return unspecified
    for member, value in table.items():
        if value == number:
            return member
    raise CodecError(f"{field} has the unknown value {number}")


# ---- requests ----


def encode_options(options: ExplainOptions) -> pb.ExplainOptions:
    """Options to their message; unset limits stay unset."""
    return pb.ExplainOptions(
        findings=options.findings,
        profile=_PROFILES[options.profile],  # type: ignore[arg-type]
        heatmap=_HEATMAP_KINDS[options.heatmap],  # type: ignore[arg-type]
        frames=options.frames,
        lambda_min=options.lambda_min,
        lambda_max=options.lambda_max,
        target_change=options.target_change,
        pixel_change=options.pixel_change,
    )


def decode_options(message: pb.ExplainOptions) -> ExplainOptions:
    """The message's options. Raises CodecError for an unknown enumeration value."""

    def optional(name: str) -> float | None:
        return getattr(message, name) if message.HasField(name) else None

    return ExplainOptions(
        findings=tuple(message.findings),
        profile=_member(_PROFILES, message.profile, "profile", Profile.TWO_SIDED),
        frames=message.frames if message.HasField("frames") else None,
        heatmap=_member(_HEATMAP_KINDS, message.heatmap, "heatmap", HeatmapKind.MAX),
        lambda_min=optional("lambda_min"),
        lambda_max=optional("lambda_max"),
        target_change=optional("target_change"),
        pixel_change=optional("pixel_change"),
    )


def encode_explain_request(request: ExplainRequest) -> pb.ExplainRequest:
    """A request to its message."""
    return pb.ExplainRequest(
        image=request.image,
        model=request.model,
        options=encode_options(request.options),
        request_id=request.request_id,
    )


def decode_explain_request(message: pb.ExplainRequest) -> ExplainRequest:
    """The message's request. Raises CodecError."""
    return ExplainRequest(
        image=message.image,
        model=message.model,
        options=decode_options(message.options),
        request_id=message.request_id,
    )


def encode_classify_request(request: ClassifyRequest) -> pb.ClassifyRequest:
    """A request to its message."""
    return pb.ClassifyRequest(image=request.image, model=request.model, request_id=request.request_id)


def decode_classify_request(message: pb.ClassifyRequest) -> ClassifyRequest:
    """The message's request."""
    return ClassifyRequest(image=message.image, model=message.model, request_id=message.request_id)


# ---- replies ----


def _plain(value: object) -> dict[str, Any]:
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
        heatmap_kind=_HEATMAP_KINDS[e.heatmap_kind],  # type: ignore[arg-type]
        radiograph=encode_array(e.radiograph, compress=compress),
        radiograph_scores=encode_array(e.radiograph_scores),
        operating_point=e.operating_point,
        below=_encode_side(e.below),
        above=_encode_side(e.above),
        quality=pb.QualityCard(**_plain(e.quality)),
        receipt=_encode_receipt(e.receipt),
        notice=e.notice,
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
        heatmap_kind=_member(_HEATMAP_KINDS, message.heatmap_kind, "heatmap_kind", HeatmapKind.MAX),
        radiograph=decode_array(message.radiograph, "radiograph"),
        radiograph_scores=decode_array(message.radiograph_scores, "radiograph_scores"),
        operating_point=message.operating_point,
        below=_decode_side(message.below),
        above=_decode_side(message.above),
        quality=_decode_quality(message.quality),
        receipt=_decode_receipt(message.receipt),
        notice=message.notice,
    )


def _encode_side(side: Side) -> pb.Side:
    return pb.Side(stop=_STOP_REASONS[side.stop], limit=side.limit, evaluated=side.evaluated)  # type: ignore[arg-type]


def _decode_side(message: pb.Side) -> Side:
    stop = _member(_STOP_REASONS, message.stop, "stop", StopReason.NOT_SEARCHED)
    return Side(stop, message.limit, message.evaluated)


def _decode_quality(message: pb.QualityCard) -> QualityCard:
    numbers = {f.name: getattr(message, f.name) for f in fields(QualityCard) if f.name != "warnings"}
    return QualityCard(**numbers, warnings=tuple(message.warnings))


def _encode_receipt(receipt: Receipt) -> pb.Receipt:
    plain = _plain(receipt)
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


def encode_explain_reply(reply: ExplainReply, *, compress: bool = False) -> pb.ExplainReply:
    """A reply to its message."""
    explanations = [encode_explanation(e, compress=compress) for e in reply.explanations]
    return pb.ExplainReply(explanations=explanations, request_id=reply.request_id)


def decode_explain_reply(message: pb.ExplainReply) -> ExplainReply:
    """The message's reply. Raises CodecError."""
    return ExplainReply(tuple(decode_explanation(e) for e in message.explanations), message.request_id)


def encode_event(event: ExplainEvent) -> pb.ExplainEvent:
    """A stream's event to its message."""
    match event:
        case Progress(stage, fraction):
            return pb.ExplainEvent(progress=pb.Progress(stage=stage, fraction=fraction))
        case HeatmapReady(explanation):
            return pb.ExplainEvent(heatmap=encode_explanation(explanation))
        case Explained(explanation):
            return pb.ExplainEvent(explanation=encode_explanation(explanation))


def decode_event(message: pb.ExplainEvent) -> ExplainEvent | None:
    """The message's event; None for a kind that a newer peer has added. Raises CodecError."""
    match message.WhichOneof("event"):
        case "progress":
            return Progress(message.progress.stage, message.progress.fraction)
        case "heatmap":
            return HeatmapReady(decode_explanation(message.heatmap))
        case "explanation":
            return Explained(decode_explanation(message.explanation))
    return None


def _encode_finding_score(score: FindingScore) -> pb.FindingScore:
    return pb.FindingScore(**_plain(score))


def _decode_finding_score(message: pb.FindingScore) -> FindingScore:
    return FindingScore(message.finding, message.score, message.operating_point, message.trained)


def encode_classify_reply(reply: ClassifyReply) -> pb.ClassifyReply:
    """A reply to its message."""
    return pb.ClassifyReply(
        model=reply.model,
        model_version=reply.model_version,
        scores=[_encode_finding_score(s) for s in reply.scores],
        request_id=reply.request_id,
    )


def decode_classify_reply(message: pb.ClassifyReply) -> ClassifyReply:
    """The message's reply."""
    scores = tuple(_decode_finding_score(s) for s in message.scores)
    return ClassifyReply(message.model, message.model_version, scores, message.request_id)


def encode_model_info(info: ModelInfo) -> pb.ModelInfo:
    """A model's description to its message."""
    plain = _plain(info)
    plain["findings"] = [_encode_finding_score(s) for s in info.findings]
    return pb.ModelInfo(**plain)


def decode_model_info(message: pb.ModelInfo) -> ModelInfo:
    """The message's model description."""
    return ModelInfo(
        name=message.name,
        version=message.version,
        summary=message.summary,
        input_size=message.input_size,
        findings=tuple(_decode_finding_score(s) for s in message.findings),
        default=message.default,
        ready=message.ready,
    )


def encode_models(models: Iterable[ModelInfo]) -> pb.ListModelsReply:
    """The served models to their message."""
    return pb.ListModelsReply(models=[encode_model_info(info) for info in models])


def decode_models(message: pb.ListModelsReply) -> tuple[ModelInfo, ...]:
    """The message's models, in its order."""
    return tuple(decode_model_info(info) for info in message.models)


def encode_problem(problem: Problem) -> pb.Problem:
    """A problem to its message."""
    return pb.Problem(code=problem.code.value, message=problem.message, retry_after=problem.retry_after)


def decode_problem(message: pb.Problem) -> Problem:
    """The message's problem; a code from a newer peer reads as INTERNAL."""
    known = message.code in ProblemCode.__members__
    code = ProblemCode(message.code) if known else ProblemCode.INTERNAL
    return Problem(code, message.message, message.retry_after if message.HasField("retry_after") else None)


def encode_report(report: WorkReport) -> pb.WorkReport:
    """A worker's report to its message."""
    stages = pb.StageSeconds(**_plain(report.stages))
    return pb.WorkReport(batch_size=report.batch_size, rows=report.rows, stages=stages)


def decode_report(message: pb.WorkReport) -> WorkReport:
    """The message's report."""
    stages = StageSeconds(**{f.name: getattr(message.stages, f.name) for f in fields(StageSeconds)})
    return WorkReport(message.batch_size, message.rows, stages)


def to_bytes(message: Any) -> bytes:
    """A message's bytes, the same for the same value within one version of protobuf."""
    return bytes(message.SerializeToString(deterministic=True))
