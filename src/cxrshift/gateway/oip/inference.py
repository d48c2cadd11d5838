"""The protocol's operations on the one service that explains: HTTP and gRPC convert, then call this."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.metadata import version

from cxrshift.errors import InternalError, Unavailable, UnknownModel
from cxrshift.gateway.calls import Call, Deadline
from cxrshift.gateway.oip.answers import (
    CLASSIFIED,
    OUTPUTS,
    classification_tensors,
    describe_model,
    explanation_tensors,
    shown,
)
from cxrshift.gateway.oip.questions import Question, check_outputs, read_question
from cxrshift.gateway.oip.values import InferReply, InferRequest, ModelMetadata, ServerMetadata
from cxrshift.gateway.readiness import Readiness
from cxrshift.gateway.service import ExplainService
from cxrshift_api.types import ClassifyRequest, ExplainOptions, ExplainRequest, ModelInfo, WorkReport

SERVER = ServerMetadata("cxrshift", version("cxrshift"), ("binary_tensor_data", "parameters"))


@dataclass(frozen=True)
class Inferred:
    """An answer, and what the worker says of the work."""

    reply: InferReply
    report: WorkReport


class OpenInference:
    """Ready, metadata and infer for the models that are served."""

    def __init__(self, service: ExplainService, readiness: Readiness) -> None:
        self._service = service
        self._readiness = readiness

    async def is_ready(self) -> bool:
        """Whether every model answers."""
        return await self._readiness.check() is None

    async def is_model_ready(self, model: str, version: str, deadline: Deadline) -> bool:
        """Whether this model answers. Raises UnknownModel, or Unavailable where it has just ceased to answer."""
        self._service.check_model(model)
        if not await self._readiness.check_model(model):
            return False
        await self._find(model, version, deadline)
        return True

    async def describe(self, model: str, version: str, deadline: Deadline) -> ModelMetadata:
        """A model's versions and tensors. Raises UnknownModel, or Unavailable where it does not answer."""
        return describe_model(await self._find(model, version, deadline))

    async def infer(self, request: InferRequest, call: Call, request_id: str, deadline: Deadline) -> Inferred:
        """Explain, or classify where no more is wanted than that gives. Raises CodedError.

        ``call`` is told the image. A ``timeout`` among the parameters can only shorten ``deadline``.
        """
        self._service.check_model(request.model)
        names = check_outputs(request.outputs, OUTPUTS)
        question = await asyncio.to_thread(read_question, request)
        call.image = question.image
        if question.timeout is not None:
            deadline = min(deadline, self._service.deadline(question.timeout), key=lambda one: one.at)
        async with deadline.enforced():
            if request.version:
                await self._find(request.model, request.version, deadline)
            if set(names) <= CLASSIFIED and question.options == ExplainOptions():
                return await self._classify(request, question, names, request_id, deadline)
            return await self._explain(request, question, names, request_id, deadline)

    async def _explain(
        self, request: InferRequest, question: Question, names: tuple[str, ...], request_id: str, deadline: Deadline
    ) -> Inferred:
        asked = ExplainRequest(question.image, request.model, question.options, request_id)
        worked = await self._service.explain(asked, deadline)
        if not worked.reply.explanations:
            raise InternalError("The worker explained nothing.")
        first = worked.reply.explanations[0]
        outputs = explanation_tensors(first, names)
        receipt = first.receipt
        reply = InferReply(
            request.model or receipt.model, receipt.model_version, request.id, outputs, shown(worked.reply)
        )
        return Inferred(reply, worked.report)

    async def _classify(
        self, request: InferRequest, question: Question, names: tuple[str, ...], request_id: str, deadline: Deadline
    ) -> Inferred:
        asked = ClassifyRequest(question.image, request.model, request_id)
        worked = await self._service.classify(asked, deadline)
        own = worked.reply
        outputs = classification_tensors(own, names)
        return Inferred(
            InferReply(request.model or own.model, own.model_version, request.id, outputs, {}), worked.report
        )

    async def _find(self, model: str, version: str, deadline: Deadline) -> ModelInfo:
        """The model of that name and, where one is named, version. Raises UnknownModel or Unavailable."""
        info = await self._service.describe(model, deadline)
        if not info.ready:
            raise Unavailable("The model does not answer now; come back later.", retry_after=1.0)
        if version and version != info.version:
            raise UnknownModel(f"This model is not served in that version; served is: {info.version}.")
        return info
