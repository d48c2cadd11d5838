"""Whether the service can do its work now: a real, tiny inference through TorchServe, whose own ``/ping`` lies."""

from __future__ import annotations

import asyncio
import io

import numpy as np

from cxrshift.errors import CodedError, DeadlineExceeded, Overloaded
from cxrshift.gateway.calls import Deadline
from cxrshift.gateway.upstream import Upstream
from cxrshift_api.types import ClassifyRequest, Problem, ProblemCode

FRESH_SECONDS = 1.0
"""A sound answer this recent, to anyone, needs no probe to confirm it."""
BUSY_SECONDS = 10.0
"""A probe that only waited too long is no bad sign so soon after a sound answer: the worker is busy, not gone."""


def _ramp() -> bytes:
    """A tiny radiograph: an NPY file of a 64x64 uint8 ramp."""
    buffer = io.BytesIO()
    np.save(buffer, np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1)))
    return buffer.getvalue()


RAMP = _ramp()


class Readiness:
    """Answers "ready?" for probes of both protocols, however often they ask.

    ``timeout``: seconds that a look may take.
    """

    def __init__(self, upstream: Upstream, models: tuple[str, ...], *, timeout: float) -> None:
        self._upstream = upstream
        self._models = models
        self._timeout = timeout
        self._probe: asyncio.Task[tuple[str, ...]] | None = None
        self._started = False
        self.stopping = asyncio.Event()
        """Set when the service begins to stop: from then on the answer is no."""

    async def check(self) -> Problem | None:
        """None where every model answers, else what is wrong."""
        silent = () if self.stopping.is_set() else await self._look()
        if self.stopping.is_set():
            return Problem(ProblemCode.UNAVAILABLE, "The service is stopping.")
        if silent:
            return Problem(ProblemCode.UNAVAILABLE, f"No answer from the models: {', '.join(silent)}.", 1.0)
        return None

    async def check_started(self) -> Problem | None:
        """None once every model has answered, whatever happened since."""
        if not self._started:
            problem = await self.check()
            self._started = problem is None
            return problem
        return None

    async def find_silent(self) -> tuple[str, ...]:
        """The models that do not answer. What was heard of a model lately is believed: asking often is cheap."""
        doubtful = any(not self._upstream.answered_within(model, BUSY_SECONDS) for model in self._models)
        return await self._look() if doubtful else ()

    async def check_model(self, model: str) -> bool:
        """Whether this one of the models answers."""
        return not self.stopping.is_set() and await self._answers(model)

    async def _look(self) -> tuple[str, ...]:
        """The outcome of the probe under way, or of a new one: who asks meanwhile waits no longer than the first."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._silent_models())
        return await asyncio.shield(self._probe)

    async def _silent_models(self) -> tuple[str, ...]:
        answers = await asyncio.gather(*map(self._answers, self._models))
        return tuple(model for model, sound in zip(self._models, answers, strict=True) if not sound)

    async def _answers(self, model: str) -> bool:
        if self._upstream.answered_within(model, FRESH_SECONDS):
            return True
        deadline = Deadline.after(self._timeout)
        try:
            await self._upstream.classify(model, ClassifyRequest(RAMP, model), deadline, retries=0)
        except (DeadlineExceeded, Overloaded):
            return self._upstream.answered_within(model, BUSY_SECONDS)
        except CodedError:
            return False
        return True
