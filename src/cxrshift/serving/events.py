"""What a service that runs for long says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ServeEvent:
    """One thing that happened."""

    name: Literal["ready", "stopped", "failed"]
    line: str
    """For people."""
    addresses: tuple[tuple[str, str], ...] = ()
    """When ready: (rest, URL), (grpc, HOST:PORT), (metrics, URL)."""
    exit_code: int = 0
    """Exit status when it ends, 0 to 255."""
