"""How patient a client is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timeout:
    """Seconds; None = no limit."""

    total: float | None = 60.0
    """Seconds for the whole call: every attempt and every wait between them."""
    connect: float = 5.0
    """Seconds for reaching the service over REST. Over gRPC the channel itself tells when nothing listens."""


@dataclass(frozen=True)
class Tls:
    """PEM files for https:// and grpcs://."""

    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    certificate: Path | None = None
    """What this side shows of itself, to a service that asks for client certificates (mutual TLS)."""
    key: Path | None = None
    """The certificate's private key."""


@dataclass(frozen=True)
class Retry:
    """When a call is tried again: after OVERLOADED, UNAVAILABLE or no answer at all, within the timeout's ``total``.

    Trying again is safe: an explanation is a pure function of its request.
    """

    attempts: int = 4
    """How many attempts in all; 1 = never again."""
    first_wait: float = 0.25
    """Seconds before the second attempt; doubled before each later one."""
    longest_wait: float = 8.0
    """Seconds that a wait grows to at most."""

    def wait(self, failed: int, retry_after: float | None, share: float) -> float:
        """Seconds to wait after the ``failed``-th failed attempt, counted from 1.

        The wait is a ``share`` in [0, 1] of the doubled one, at random, so that many callers do not come back at once;
        but what the service asked for, ``retry_after`` seconds, at least.
        """
        backoff = min(self.first_wait * 2.0 ** (failed - 1), self.longest_wait)
        return max(share * backoff, retry_after or 0.0)
