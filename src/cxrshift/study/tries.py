"""A limit on wrong codes: a few at once, then one every so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

AT_ONCE = 8
"""Wrong codes that an address may send in a row."""
SECONDS_EACH = 20.0
"""After which it may send one more."""
_MOST_ADDRESSES = 10_000


class Tries:
    """Counts the wrong codes of each address. Only failures count: a reader who knows the code never waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}
        """When an address will have all its tries again."""

    def wait(self, address: str) -> float:
        """Seconds until the address may try; 0 = now."""
        with self._lock:
            owed = self._free_at.get(address, 0.0) - self._clock()
        return max(0.0, owed - (AT_ONCE - 1) * SECONDS_EACH)

    def fail(self, address: str) -> None:
        """The address sent a wrong code."""
        with self._lock:
            now = self._clock()
            if len(self._free_at) >= _MOST_ADDRESSES:
                self._free_at = {known: free for known, free in self._free_at.items() if free > now}
            self._free_at[address] = max(self._free_at.get(address, 0.0), now) + SECONDS_EACH
