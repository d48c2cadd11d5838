"""When to try again and when to give up, without doing either: what the two kinds of client share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import BusyError
from .settings import Retry, Timeout


@dataclass(frozen=True)
class Patience:
    """Timeout and retry settings with the clock and the dice that they need.

    ``timeout`` and ``retry``: the settings. ``clock`` tells seconds, ``dice`` a share in [0, 1).
    """

    timeout: Timeout = field(default_factory=Timeout)
    retry: Retry = field(default_factory=Retry)
    clock: Callable[[], float] = time.monotonic
    dice: Callable[[], float] = random.random

    def begin(self, total: float | None) -> Attempts:
        """The attempts of one call, which may take ``total`` seconds from now; None = no limit."""
        return Attempts(self, None if total is None else self.clock() + total)


class Attempts:
    """One call's attempts. ``deadline`` is a moment of the clock, in seconds; None = no limit."""

    def __init__(self, patience: Patience, deadline: float | None) -> None:
        self._patience = patience
        self._deadline = deadline
        self._failed = 0

    def seconds_left(self) -> float | None:
        """How many seconds the next attempt may take, at least 0; None = no limit."""
        return None if self._deadline is None else max(self._deadline - self._patience.clock(), 0.0)

    def pause_after(self, error: BusyError) -> float:
        """Seconds to wait before the next attempt. Raises ``error`` where there shall be none."""
        self._failed += 1
        retry = self._patience.retry
        pause = retry.wait(self._failed, error.problem.retry_after, self._patience.dice())
        left = self.seconds_left()
        if self._failed >= retry.attempts or (left is not None and pause >= left):
            raise error
        return pause
