"""How many requests are let in: some with the worker, some waiting, the next refused at once.

What a caller feels is not how many stand before it but how long that lasts, and past the limit a queue never empties:
each one let in would wait through the whole of it, for an answer no sooner than if it had come back later. So a queue
may be long for a moment, which is a burst, but not for good: where callers have had to wait for more than a second,
only those are let in who will have a place within ``longest_wait``. This is the idea of controlled delay (CoDel,
RFC 8289), applied at the door, where a refusal costs least.

The wait is foretold by Little's law: places that are all held, for h seconds each on average, fall free every
h / places seconds. Where nothing was answered for longer than h the worker is stuck, and that is taken to go on for as
long as it has lasted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from cxrshift import tracing
from cxrshift.errors import Overloaded, ServiceError

_BURST_SECONDS = 1.0
"""For how long callers may have had to wait before the queue counts as one that does not end by itself. It has ended
when nobody waited for as long, or for the time of one request: a batch that is answered empties it for a moment."""
_LONGEST_ADVICE = 30.0
_SMOOTHING = 0.1


class Admission:
    """``places`` requests at once, ``queue`` more in their order of arrival. A caller that leaves frees its place.

    ``longest_wait``, in seconds, is what a queue that lasts may cost.
    """

    def __init__(
        self, *, places: int, queue: int, longest_wait: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = places
        self._limit = places + queue
        self._longest_wait = longest_wait
        self._clock = clock
        self._inside = 0
        self._working = 0
        self._free = asyncio.Semaphore(places)
        self._mean_hold = 0.0
        self._last_answer = self._waiting_since = clock()
        self._last_waited = float("-inf")

    @property
    def working(self) -> int:
        """Requests that hold a place."""
        return self._working

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return self._inside - self._working

    def check_room(self) -> None:
        """Raise Overloaded, with an estimate of when there is room again, where a request would be refused now."""
        if self._inside < self._places:
            return
        if self._inside >= self._limit or (self._queue_lasts() and self._foretell_wait() > self._longest_wait):
            raise Overloaded(
                "More requests are in work than this service takes; come back later.",
                retry_after=round(min(_LONGEST_ADVICE, max(1.0, self._foretell_end())), 1),
            )

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it. Raises Overloaded."""
        self.check_room()
        self._enter()
        waiting = tracing.begin_span("admission")
        try:
            async with self._free:
                waiting.end()
                self._working += 1
                try:
                    with self._learning():
                        yield
                finally:
                    self._working -= 1
        finally:
            waiting.end(failed=True)  # where it did not end well before
            self._leave()

    def _enter(self) -> None:
        now = self._clock()
        if not self._inside:
            self._last_answer = now  # an idle service is not a stuck one
        if self._inside >= self._places:
            if not self._queue_goes_on(now):
                self._waiting_since = now
            self._last_waited = now
        self._inside += 1

    def _leave(self) -> None:
        if self._inside > self._places:
            self._last_waited = self._clock()
        self._inside -= 1

    @contextmanager
    def _learning(self) -> Iterator[None]:
        """Measure for how long a place is held. What was given up or failed says nothing of it."""
        started = self._clock()
        told = True
        try:
            yield
        except (asyncio.CancelledError, ServiceError):
            told = False
            raise
        finally:
            if told:
                self._last_answer = self._clock()
                seconds = self._last_answer - started
                self._mean_hold += (seconds - self._mean_hold) * (_SMOOTHING if self._mean_hold else 1.0)

    def _queue_lasts(self) -> bool:
        now = self._clock()
        return self._queue_goes_on(now) and now - self._waiting_since > _BURST_SECONDS

    def _queue_goes_on(self, now: float) -> bool:
        return self._inside > self._places or now - self._last_waited <= max(_BURST_SECONDS, self._mean_hold)

    def _foretell_wait(self) -> float:
        """Seconds until one who comes now would have a place, all being held."""
        turn = self._inside - self._places + 1
        return max(self._mean_hold * turn / self._places, self._stuck())

    def _foretell_end(self) -> float:
        """Seconds until all who are inside now are answered."""
        return self._mean_hold * self._inside / self._places + self._stuck()

    def _stuck(self) -> float:
        """Seconds without any answer, where that is longer than a request takes; else 0."""
        silence = self._clock() - self._last_answer
        return silence if silence > self._mean_hold else 0.0
