"""How many requests are let in: some with the worker, some waiting, the next refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cxrshift import tracing
from cxrshift.errors import Overloaded

_LONGEST_WAIT = 30.0
_SMOOTHING = 0.1


class Admission:
    """``places`` requests at once, ``queue`` more in their order of arrival. A caller that leaves frees its place."""

    def __init__(self, *, places: int, queue: int) -> None:
        self._places = places
        self._limit = places + queue
        self._inside = 0
        self._working = 0
        self._free = asyncio.Semaphore(places)
        self._mean_seconds = 1.0

    @property
    def working(self) -> int:
        """Requests that hold a place."""
        return self._working

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return self._inside - self._working

    def check_room(self) -> None:
        """Raise Overloaded, with a guess at when to come back, where even the queue is full."""
        if self._inside >= self._limit:
            wait = self._mean_seconds * self._limit / self._places / 2
            raise Overloaded(
                "More requests are in work than this service takes; come back later.",
                retry_after=round(min(_LONGEST_WAIT, max(1.0, wait)), 1),
            )

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it. Raises Overloaded."""
        self.check_room()
        self._inside += 1
        waiting = tracing.begin_span("admission")
        try:
            async with self._free:
                waiting.end()
                started = time.perf_counter()
                self._working += 1
                try:
                    yield
                finally:
                    self._working -= 1
                self._mean_seconds += _SMOOTHING * (time.perf_counter() - started - self._mean_seconds)
        finally:
            waiting.end(failed=True)  # where it did not end well before
            self._inside -= 1
