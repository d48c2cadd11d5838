"""How much of the service each caller may have: calls a second (a token bucket) and calls at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cxrshift.errors import Overloaded

_MOST_CALLERS = 10_000
_SOON = 1.0


@dataclass
class _Share:
    """One caller's; times of ``time.monotonic()``."""

    tokens: float
    at: float = field(default_factory=time.monotonic)
    inside: int = 0
    calls: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Usage:
    """What a caller has asked since this gateway began, as far as it is remembered."""

    caller: str
    calls: int
    """Number of calls."""
    refused: int
    """Number of those that were past its share."""
    in_flight: int
    """Number of calls in work now."""


class CallerShares:
    """``rate`` calls a second with bursts of ``burst``, ``in_flight`` at once; 0 = no limit of that kind."""

    def __init__(self, *, rate: float, burst: int, in_flight: int) -> None:
        self._rate = rate
        self._burst = max(1, burst)
        self._in_flight = in_flight
        self._shares: dict[str, _Share] = {}

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count a call of ``caller`` while it lasts. Raises Overloaded where it asks too much."""
        share = self._share(caller)
        share.calls += 1
        self._take(share)
        share.inside += 1
        try:
            yield
        finally:
            share.inside -= 1

    def usage(self) -> tuple[Usage, ...]:
        """Of each caller, the busiest first."""
        told = (Usage(name, s.calls, s.refused, s.inside) for name, s in self._shares.items())
        return tuple(sorted(told, key=lambda u: (-u.calls, u.caller)))

    def _share(self, caller: str) -> _Share:
        """The caller's share, now the newest; the one that was idle longest is forgotten where there are too many."""
        share = self._shares.pop(caller, None) or _Share(float(self._burst))
        self._shares[caller] = share
        if len(self._shares) > _MOST_CALLERS:
            idle = next((name for name, s in self._shares.items() if not s.inside and name != caller), None)
            if idle is not None:
                del self._shares[idle]
        return share

    def _take(self, share: _Share) -> None:
        if self._in_flight and share.inside >= self._in_flight:
            share.refused += 1
            raise Overloaded(
                f"You have {share.inside} calls in work, the most that one caller may have; wait for one to end.",
                retry_after=_SOON,
            )
        if not self._rate:
            return
        now = time.monotonic()
        share.tokens = min(float(self._burst), share.tokens + (now - share.at) * self._rate)
        share.at = now
        if share.tokens < 1.0:
            share.refused += 1
            raise Overloaded(
                f"You ask more often than {self._rate:g} times a second, the most that one caller may.",
                retry_after=round((1.0 - share.tokens) / self._rate, 3),
            )
        share.tokens -= 1.0
