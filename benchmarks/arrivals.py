"""Open-loop arrivals: calls at moments that were planned, whether or not earlier ones were answered."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .calls import Caller, Outcome

_SEED = 7
_HEAD_START = 0.05


@dataclass(frozen=True)
class Sent:
    """A call with its delay behind the plan, in seconds."""

    outcome: Outcome
    late: float
    moment: float = 0.0
    """When it should have been sent, in seconds from the plan's beginning."""

    @property
    def seconds(self) -> float:
        """From the intended sending to the end, so that a stall counts for all whom it kept waiting."""
        return self.late + self.outcome.seconds


def plan_arrivals(rate: float, seconds: float, seed: int = _SEED) -> list[float]:
    """Moments in [0, ``seconds``) of a Poisson process of ``rate`` arrivals a second; the first is at 0."""
    gaps = np.random.default_rng(seed).exponential(1.0 / rate, size=math.ceil(3 * rate * seconds) + 20)
    moments = np.cumsum(gaps) - gaps[0]
    return [float(moment) for moment in moments[moments < seconds]]


async def send_planned(callers: Sequence[Caller], images: Sequence[bytes], moments: Sequence[float]) -> list[Sent]:
    """Call at each moment, by the callers and with the images in turn, and wait for every answer."""
    began = time.perf_counter() + _HEAD_START

    async def send(number: int, moment: float) -> Sent:
        await asyncio.sleep(began + moment - time.perf_counter())
        late = time.perf_counter() - began - moment
        call = callers[number % len(callers)]
        return Sent(await call(images[number % len(images)]), late, moment)

    return list(await asyncio.gather(*(send(number, moment) for number, moment in enumerate(moments))))
