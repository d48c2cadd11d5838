"""Who knocks, and who that turns out to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a caller may do."""

    EXPLAIN = "explain"
    """Ask for explanations."""
    CLASSIFY = "classify"
    """Ask for scores."""
    ADMIN = "admin"
    """All of it, and see who uses the service."""


@dataclass(frozen=True)
class Visitor:
    """What a call says of its caller, before anything of it is believed."""

    host: str
    """Network address that the call came from."""
    authorization: str = ""
    """The header or metadata of that name."""
    api_key: str = ""
    """The header or metadata ``x-api-key``."""


@dataclass(frozen=True)
class Caller:
    """A caller who was let in."""

    id: str
    """What tells this caller from others in log lines and limits: no secret, no person's name."""
    name: str
    """Who it is, for the audit trail alone."""
    roles: frozenset[Role]

    def may(self, role: Role | None) -> bool:
        """Whether this caller has ``role``; None = whoever was let in."""
        return role is None or role in self.roles or Role.ADMIN in self.roles
