"""Types to protobuf and back; this module is what callers import, and only it and its parts know both.

Encoding is deterministic: the same value gives the same bytes, so that "the same explanation" can be checked by
comparing bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from . import explain_pb2 as pb
from .array_codec import CodecError as CodecError  # raised here too, and part of this module's face
from .explanation_codec import decode_explanation as decode_explanation
from .explanation_codec import encode_explanation as encode_explanation
from .explanation_codec import field_values
from .option_codec import decode_options as decode_options
from .option_codec import encode_options as encode_options
from .types import (
    ClassifyReply,
    ClassifyRequest,
    Explained,
    ExplainEvent,
    ExplainReply,
    ExplainRequest,
    FindingScore,
    HeatmapReady,
    ModelInfo,
    Problem,
    ProblemCode,
    Progress,
    StageSeconds,
    WorkReport,
)

# ---- requests ----


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
    return pb.FindingScore(**field_values(score))


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
    plain = field_values(info)
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
    stages = pb.StageSeconds(**field_values(report.stages))
    return pb.WorkReport(batch_size=report.batch_size, rows=report.rows, stages=stages)


def decode_report(message: pb.WorkReport) -> WorkReport:
    """The message's report."""
    stages = StageSeconds(**{f.name: getattr(message.stages, f.name) for f in fields(StageSeconds)})
    return WorkReport(message.batch_size, message.rows, stages)


def to_bytes(message: Any) -> bytes:
    """A message's bytes, the same for the same value within one version of protobuf."""
    return bytes(message.SerializeToString(deterministic=True))
