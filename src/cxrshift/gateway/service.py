"""The service itself, of which REST and gRPC are two spellings: values in, values out, CodedError for every refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from cxrshift.config import Settings
from cxrshift.errors import CodedError, InvalidImage, TooLarge, UnknownModel
from cxrshift.gateway.admission import Admission
from cxrshift.gateway.calls import Deadline
from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.upstream import Upstream, Worked, WorkedExplanation
from cxrshift_api.types import (
    ClassifyReply,
    ClassifyRequest,
    Explained,
    ExplainEvent,
    ExplainRequest,
    HeatmapReady,
    ModelInfo,
    Progress,
)

_DESCRIPTION_SECONDS = 30.0
"""How long a model's description of itself is believed."""


class ExplainService:
    """Explains, classifies and lists models through TorchServe."""

    def __init__(self, settings: Settings, upstream: Upstream, metrics: Metrics) -> None:
        self._settings = settings
        self._upstream = upstream
        self._metrics = metrics
        self._admission = Admission(places=settings.max_in_flight, queue=settings.queue, longest_wait=settings.max_wait)
        metrics.watch_admission(self._admission, places=settings.max_in_flight, queue=settings.queue)
        self._descriptions: dict[str, tuple[float, ModelInfo]] = {}

    def deadline(self, seconds: float | None) -> Deadline:
        """The deadline of a call whose caller allows ``seconds``; None = the service's default."""
        allowed = self._settings.default_deadline if seconds is None else seconds
        return Deadline.after(min(allowed, self._settings.max_deadline))

    def check_model(self, model: str) -> None:
        """Raise UnknownModel where no model of that name is served; empty is the default's name."""
        self._resolve(model)

    def check_door(self, model: str) -> None:
        """Ask before reading a body of megabytes. Raises UnknownModel or Overloaded where it would be refused now."""
        self._resolve(model)
        self._admission.check_room()

    async def explain(self, request: ExplainRequest, deadline: Deadline) -> WorkedExplanation:
        """An explanation for each finding. Raises CodedError."""
        model = self._check(request)
        started = time.perf_counter()
        async with deadline.enforced(), self._admission.place():
            worked = await self._upstream.explain(model, replace(request, model=model), deadline)
        self._metrics.observe_work(worked.report, time.perf_counter() - started)
        for explanation in worked.reply.explanations:
            self._metrics.observe_explanation(explanation)
        return worked

    async def explain_stream(self, request: ExplainRequest, deadline: Deadline) -> AsyncIterator[ExplainEvent]:
        """The same as it becomes known: accepted, then for each finding its heatmap, then all. Raises CodedError."""
        self._check(request)
        self._admission.check_room()
        yield Progress("accepted", 0.0)
        worked = await self.explain(request, deadline)
        for explanation in worked.reply.explanations:
            yield HeatmapReady(replace(explanation, frames=explanation.frames[:0]))
            yield Explained(explanation)

    async def classify(self, request: ClassifyRequest, deadline: Deadline) -> Worked[ClassifyReply]:
        """Every finding's score. Raises CodedError."""
        model = self._check(request)
        started = time.perf_counter()
        async with deadline.enforced(), self._admission.place():
            worked = await self._upstream.classify(model, replace(request, model=model), deadline)
        self._metrics.observe_work(worked.report, time.perf_counter() - started)
        return worked

    async def list_models(self, deadline: Deadline) -> tuple[ModelInfo, ...]:
        """The served models, the default first; one that does not answer in time is listed as not ready."""
        return tuple(await asyncio.gather(*(self.describe(name, deadline) for name in self._settings.models)))

    async def describe(self, name: str, deadline: Deadline) -> ModelInfo:
        """One model, the default where none is named; one that does not answer is not ready. Raises UnknownModel."""
        name = self._resolve(name)
        default = name == self._settings.models[0]
        known_at, info = self._descriptions.get(name, (float("-inf"), None))
        if info is None or time.monotonic() - known_at > _DESCRIPTION_SECONDS:
            patience = Deadline.after(min(deadline.remaining(), self._settings.readiness_timeout))
            try:
                info = await self._upstream.describe(name, patience)
            except CodedError:
                return ModelInfo(name, "", "", 0, (), default=default, ready=False)
            self._descriptions[name] = (time.monotonic(), info)
        return replace(info, name=name, default=default, ready=True)

    def _check(self, request: ExplainRequest | ClassifyRequest) -> str:
        """Refuse what no worker need see; the name of the model that is meant."""
        model = self._resolve(request.model)
        if not request.image:
            raise InvalidImage("There is no image; send a DICOM, PNG, JPEG or NPY file.")
        if len(request.image) > self._settings.max_request_bytes:
            raise too_large(self._settings.max_request_bytes)
        return model

    def _resolve(self, name: str) -> str:
        """The model that a caller means, the default where it names none. Raises UnknownModel."""
        served = self._settings.models
        if name and name not in served:
            raise UnknownModel(f"No model of that name is served; served are: {', '.join(served)}.")
        return name or served[0]


def too_large(limit: int) -> TooLarge:
    """The refusal of a file of more than ``limit`` bytes."""
    return TooLarge(f"The image file is larger than {limit} bytes, the most that is taken.")
