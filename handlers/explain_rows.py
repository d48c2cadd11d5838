"""The rows of a batch: what each asks for, whether there is time for it, and its radiograph. Nothing here raises."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import DecodeError

from cxrshift.errors import CodedError, DeadlineExceeded, InternalError, InvalidRequest
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.radiograph import Radiograph
from cxrshift.telemetry import describe_fault
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ClassifyRequest, ExplainRequest, Problem

logger = logging.getLogger("cxrshift.handler")


@dataclass(frozen=True)
class Describe:
    """A question for the model's description."""


Request: TypeAlias = ExplainRequest | ClassifyRequest | Describe


@dataclass(frozen=True)
class Arrived:
    """One row."""

    request: Request | Problem
    deadline: float | None = None
    """Moment of ``time.perf_counter()`` after which an answer is of no use."""


def parse(work: object) -> Arrived:
    """What a row asks for, if there is still time for it: what nobody waits for any more never reaches the engine."""
    if not isinstance(work, bytes | bytearray):
        return Arrived(InvalidRequest("The input named work must hold a serialized WorkRequest.").to_problem())
    try:
        message = pb.WorkRequest.FromString(bytes(work))
    except DecodeError:
        return Arrived(InvalidRequest("The work is not a serialized WorkRequest.").to_problem())
    if not message.HasField("expires"):
        return Arrived(_read(message))
    left = message.expires - time.time()
    if left <= 0.0:
        return Arrived(DeadlineExceeded("The request's time was over before a worker could take it.").to_problem())
    return Arrived(_read(message), time.perf_counter() + left)


def _read(message: pb.WorkRequest) -> Request | Problem:
    try:
        if message.HasField("explain"):
            return codec.decode_explain_request(message.explain)
        if message.HasField("classify"):
            return codec.decode_classify_request(message.classify)
        if message.HasField("describe"):
            return Describe()
    except codec.CodecError as error:  # its text names a field, never its content
        return InvalidRequest(str(error)).to_problem()
    return InvalidRequest("The WorkRequest asks for nothing; set explain, classify or describe.").to_problem()


def decode(request: Request | Problem) -> Radiograph | Problem | None:
    """The request's radiograph, None where it has none."""
    if not isinstance(request, ExplainRequest | ClassifyRequest):
        return None
    try:
        frame = request.options.source_frame if isinstance(request, ExplainRequest) else 1
        return decode_radiograph(request.image, frame=frame)
    except CodedError as error:
        return error.to_problem()
    except Exception as error:  # noqa: BLE001 - a decoder's own fault must not cost the neighbours their answers
        log_fault("Decoding failed", error)
        return internal_problem()


def internal_problem() -> Problem:
    """The worker's own fault, as its caller hears of it."""
    return InternalError("The worker failed on this request. Its log says where; a retry may succeed.").to_problem()


def log_fault(what: str, error: BaseException) -> None:
    """Log where an exception happened, never its text: TorchServe parses what its workers print."""
    logger.error("%s: %s", what, describe_fault(error))
