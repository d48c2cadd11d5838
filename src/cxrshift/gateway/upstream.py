"""The way to the workers: TorchServe's gRPC Predictions, and what its failures mean.

TorchServe 0.12 tells failures apart by words, not by status: a dead worker is now INTERNAL, now RESOURCE_EXHAUSTED,
and a full queue is INTERNAL as well. The words below were read off a running one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError

from cxrshift import tracing
from cxrshift.errors import (
    CodedError,
    DeadlineExceeded,
    InternalError,
    Overloaded,
    ServiceError,
    Unavailable,
)
from cxrshift.gateway.calls import Deadline
from cxrshift.gateway.channel import WorkerChannel
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.torchserve_inference_pb2 import PredictionsRequest
from cxrshift_api.types import (
    ClassifyReply,
    ClassifyRequest,
    ExplainReply,
    ExplainRequest,
    ModelInfo,
    Problem,
    ProblemCode,
    WorkReport,
)

_Reply = TypeVar("_Reply")

_WORKER_DIED = "Worker died"
_QUEUE_FULL = "has no worker to serve"
_NO_MODEL = "Model not found"
_HANDLER_RAISED = "Prediction failed"
_FIRST_BACK_OFF = 0.1
_LONGEST_BACK_OFF = 2.0
_COME_BACK = 2.0
"""Seconds in which TorchServe usually has a new worker up, or a place in its queue free."""
_CLOCK_SLACK = 0.25
"""Seconds by which two machines' clocks may differ before it matters."""
_SMALL = 1 << 20
"""Bytes of an answer that are read in less time than a thread takes to begin."""


class WorkerProblem(CodedError):
    """The worker's own refusal of this request, passed on as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message, retry_after=problem.retry_after)
        self._problem = problem

    def to_problem(self) -> Problem:
        """What the worker said."""
        return self._problem


class WorkerLost(Unavailable):
    """The worker or the connection went away while it held the request; the same request may be sent again."""


@dataclass(frozen=True)
class Worked(Generic[_Reply]):
    """A worker's answer and what it says of the work."""

    reply: _Reply
    report: WorkReport


@dataclass(frozen=True)
class WorkedExplanation(Worked[ExplainReply]):
    """The same with the message that a gRPC caller gets: the worker's own where its arrays are not compressed."""

    message: pb.ExplainReply


class Upstream:
    """A connection to TorchServe. Make it inside a running event loop; close it when done."""

    def __init__(
        self, target: str, *, max_message_bytes: int, retries: int, on_retry: Callable[[], None] = lambda: None
    ) -> None:
        self._channel = WorkerChannel(target, max_message_bytes=max_message_bytes)
        self._retries = retries
        self._on_retry = on_retry
        self._last_answer: dict[str, float] = {}
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """End the connection and every call on it."""
        await self._channel.close()

    async def explain(self, model: str, request: ExplainRequest, deadline: Deadline) -> WorkedExplanation:
        """Explain one radiograph. Raises CodedError."""
        work = pb.WorkRequest(explain=codec.encode_explain_request(request), expires=_expiry(deadline))
        reply = await self._ask(model, work, deadline)
        if reply.ByteSize() < _SMALL:
            return _read_explain(reply)
        # Unpacking megabytes of frames would hold up every other call on the loop.
        return await asyncio.to_thread(_read_explain, reply)

    async def classify(
        self, model: str, request: ClassifyRequest, deadline: Deadline, *, retries: int | None = None
    ) -> Worked[ClassifyReply]:
        """Score one radiograph. Raises CodedError."""
        work = pb.WorkRequest(classify=codec.encode_classify_request(request), expires=_expiry(deadline))
        reply = await self._ask(model, work, deadline, retries=retries)
        return Worked(codec.decode_classify_reply(reply.classify), codec.decode_report(reply.report))

    async def describe(self, model: str, deadline: Deadline) -> ModelInfo:
        """What the model says of itself. Raises CodedError."""
        reply = await self._ask(model, pb.WorkRequest(describe=pb.DescribeRequest()), deadline)
        return codec.decode_model_info(reply.describe)

    def answered_within(self, model: str, seconds: float) -> bool:
        """Whether a worker of this model gave a sound answer that recently and none has died since."""
        return time.monotonic() - self._last_answer.get(model, float("-inf")) <= seconds

    async def _ask(
        self, model: str, work: pb.WorkRequest, deadline: Deadline, *, retries: int | None = None
    ) -> pb.WorkReply:
        """Send the work, again if its worker dies: a request is pure, so a second try costs only time.

        Whoever lost two workers may be what kills them. Such requests go one at a time, so that the one at fault takes
        no other suspect with it again.
        """
        wanted = work.WhichOneof("work")
        for attempt in range((self._retries if retries is None else retries) + 1):
            if attempt:
                self._on_retry()
                await asyncio.sleep(_back_off(attempt))
            try:
                async with self._alone[model] if attempt > 1 else nullcontext():
                    reply = await self._send_timed(model, work, deadline)
            except WorkerLost as error:
                lost = error
                continue
            if reply.HasField("problem"):
                raise WorkerProblem(codec.decode_problem(reply.problem))
            if reply.WhichOneof("result") != wanted:
                raise InternalError("The worker answered another question than was asked.")
            return reply
        raise lost

    async def _send_timed(self, model: str, work: pb.WorkRequest, deadline: Deadline) -> pb.WorkReply:
        """Send the work with its expiry, by the wall clock, which the worker's machine shares.

        Where the worker says that the time is over and it is not, the clocks differ: it goes once more without.
        """
        reply = await self._send(model, work, deadline)
        if reply.problem.code != ProblemCode.DEADLINE or deadline.remaining() < _CLOCK_SLACK:
            return reply
        work.ClearField("expires")
        return await self._send(model, work, deadline)

    async def _send(self, model: str, work: pb.WorkRequest, deadline: Deadline) -> pb.WorkReply:
        message = PredictionsRequest(model_name=model, input={"work": codec.to_bytes(work)})
        try:
            with tracing.span("ask_worker", kind="client", model=model):
                tracing.carry(message.input)
                prediction = (await self._channel.stub.Predictions(message, timeout=deadline.remaining())).prediction
        except grpc.aio.AioRpcError as error:
            failure = _translate(error)
            if isinstance(failure, WorkerLost):
                self._last_answer.pop(model, None)
            raise failure from error
        try:
            reply = pb.WorkReply.FromString(prediction)
        except DecodeError as error:
            raise InternalError("The worker's answer is not a WorkReply.") from error
        if reply.problem.code != ProblemCode.INTERNAL:
            self._last_answer[model] = time.monotonic()
        return reply


def _read_explain(reply: pb.WorkReply) -> WorkedExplanation:
    try:
        read = codec.decode_explain_reply(reply.explain)
    except codec.CodecError as error:
        raise InternalError("The worker's explanation contradicts itself.") from error
    # Callers are spared the inner hop's compression: their own code may know nothing but plain arrays.
    message = codec.encode_explain_reply(read) if _is_compressed(reply.explain) else reply.explain
    return WorkedExplanation(read, codec.decode_report(reply.report), message)


def _is_compressed(message: pb.ExplainReply) -> bool:
    arrays = ((e.frames, e.heatmap, e.radiograph, *(s.values for s in e.saliency)) for e in message.explanations)
    return any(array.encoding != pb.Array.RAW for own in arrays for array in own)


def _expiry(deadline: Deadline) -> float:
    """The deadline by the wall clock."""
    return time.time() + deadline.remaining()


def _back_off(attempt: int) -> float:
    """Seconds before the given further attempt, doubling, spread so that a batch does not come back as one."""
    whole: float = min(_LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** (attempt - 1))
    return whole * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _translate(error: grpc.aio.AioRpcError) -> ServiceError:
    """What a failed call means. The details are TorchServe's own words or gRPC's, never shown to a caller."""
    details = error.details() or ""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("The answer did not come in time; allow more, or ask for less.")
    if details.startswith(_WORKER_DIED):
        return WorkerLost("The worker died while it held this request; come back later.", retry_after=_COME_BACK)
    if _QUEUE_FULL in details:
        return Overloaded("The model's queue is full; come back later.", retry_after=_COME_BACK)
    if details.startswith(_NO_MODEL):
        return Unavailable("The model is not loaded; come back later.", retry_after=_COME_BACK)
    if details.startswith(_HANDLER_RAISED):
        return InternalError("The worker failed on this request. Its log says where; a retry may succeed.")
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return WorkerLost("No worker can be reached now; come back later.", retry_after=_COME_BACK)
    return InternalError(f"The worker's front end ended the call with {error.code().name}.")
