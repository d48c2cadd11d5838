"""Whether the clock can be right: certificates, tokens, keys and the audit trail go by it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from .checks import Check, State

TOPIC = "Machine"
_FAR_SECONDS = 60.0
_REMEDY = "Set the clock, and let NTP keep it: timedatectl set-ntp true"


def check_clock(
    now: datetime | None = None, *, theirs: datetime | None = None, installed: datetime | None = None
) -> Check:
    """``theirs`` is a running service's time, ``installed`` when this package was: no clock is before that."""
    now, installed = now or datetime.now(UTC), installed or install_time()
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < installed:
        return Check(TOPIC, "clock", State.FAIL, f"{found}, which is before this package was installed", _REMEDY)
    if theirs is None:
        return Check(TOPIC, "clock", State.OK, found)
    apart = abs((now - theirs).total_seconds())
    if apart > _FAR_SECONDS:
        return Check(TOPIC, "clock", State.WARN, f"{found}; the service's is {apart:.0f} s away", _REMEDY)
    return Check(TOPIC, "clock", State.OK, f"{found}; the service's agrees")


def install_time() -> datetime:
    """When this package's files were written."""
    return datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
