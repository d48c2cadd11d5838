"""What the doctor says: one check each, and all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import CxrshiftError


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    """Nothing to do."""
    WARN = "warn"
    """It works, and not as well as it could."""
    FAIL = "fail"
    """Something that is asked for cannot work."""
    SKIP = "skip"
    """Not there, or not looked at; nothing that was asked for needs it."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    topic: str
    """Checks of a topic stand together: Python, Serving, Ports, ..."""
    name: str
    state: State
    found: str
    """In a line; never a secret, nor a variable's value that could be one."""
    remedy: str = ""
    """What to do; empty where there is nothing."""


@dataclass(frozen=True)
class Report:
    """Every check, in the order of their topics."""

    checks: tuple[Check, ...]

    def count(self, state: State) -> int:
        """How many checks ended so."""
        return sum(check.state == state for check in self.checks)

    @property
    def failed(self) -> bool:
        """Whether anything cannot work."""
        return self.count(State.FAIL) > 0

    def to_json(self) -> dict[str, object]:
        """The report as one JSON object."""
        return {
            "healthy": not self.failed,
            "counts": {state.value: self.count(state) for state in State},
            "checks": [
                {"topic": c.topic, "name": c.name, "state": c.state.value, "found": c.found, "remedy": c.remedy}
                for c in self.checks
            ],
        }


@dataclass(frozen=True)
class Subject:
    """A part of the examination: its topic and what looks into it."""

    topic: str
    look: Callable[[], Iterable[Check]]


def look_into(subject: Subject) -> Sequence[Check]:
    """The subject's checks; one that says so where it could not be looked at."""
    from ..errors import CxrshiftError

    found: list[Check] = []
    try:
        found.extend(subject.look())
    except ImportError as error:
        name = error.name or "a package"
        found.append(Check(subject.topic, "packages", State.SKIP, f"{name} is not installed, so this is not told"))
    except (OSError, CxrshiftError) as error:
        found.append(Check(subject.topic, "not looked at", State.WARN, _in_a_line(error)))
    return found


def _in_a_line(error: OSError | CxrshiftError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or type(error).__name__}"
    return " ".join(str(error).split())
