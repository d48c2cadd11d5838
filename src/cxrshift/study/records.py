"""What a study's file holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .design import Arms

QUESTIONS = ("confidence", "correct_feature")
"""The two five-point questions, as evaluation.reader_study names them."""
LONGEST_COMMENT = 4000
"""Characters of a comment."""


class Role(StrEnum):
    """What a code opens."""

    READER = "reader"
    """The cases, and nothing else."""
    ADMIN = "admin"
    """Progress, results and tables, and no cases."""


@dataclass(frozen=True)
class Study:
    """A study's own facts."""

    title: str
    arms: Arms
    seed: int
    """From 0; every order was drawn by it."""
    created_at: float
    """In seconds since 1970, as every time here."""
    washout_days: float = 0.0
    """Days that must pass between a reader's last answer of the first read and the first of the second."""


@dataclass(frozen=True)
class Case:
    """One example, without its pictures."""

    example: str
    finding: str
    label_name: str
    """Such as "True Positive" or "False Positive"; no reader is told."""
    label: str
    """"1" where the radiograph shows the finding, "0" where it does not; empty where nobody said."""
    first_arm: str
    details: Mapping[str, str] = field(default_factory=dict)
    """What else the table of cases said, by column; it is handed back with the results."""
    has_pictures: bool = True


@dataclass(frozen=True)
class Person:
    """Someone with a code, without it."""

    number: int
    """From 1; the orders of cases are drawn by it."""
    name: str
    """As it stands in the tables: a pseudonym serves."""
    role: Role
    created_at: float
    """In seconds since 1970."""
    revoked: bool = False
    """Whether the person has no code."""


@dataclass(frozen=True)
class Answer:
    """What a reader has said of one showing so far; None and empty where nothing was said."""

    confidence: int | None = None
    """In the model's prediction, in [1, 5]."""
    correct_feature: int | None = None
    """Whether the model looks at it, in [1, 5]."""
    comment: str = ""
    seconds: float = 0.0
    """For which the case stood visibly on the reader's screen."""

    @property
    def is_complete(self) -> bool:
        """Whether both questions are answered."""
        return self.confidence is not None and self.correct_feature is not None


@dataclass(frozen=True)
class Place:
    """Where a reader stands: the first showing that is not submitted, with what was answered of it so far."""

    read: int
    """From 0."""
    position: int
    """From 0, within the read."""
    cases: int
    """Number of cases in the read, from 1."""
    example: str
    finding: str
    arm: str
    draft: Answer

    @property
    def ticket(self) -> str:
        """A name for this showing that says nothing of the case."""
        return f"{self.read}.{self.position}"


@dataclass(frozen=True)
class SubmittedReading:
    """One submitted answer with what it was about."""

    reader: str
    read: int
    """From 0."""
    position: int
    """From 0, within the read."""
    case: Case
    arm: str
    answer: Answer
    submitted_at: float | None
    """In seconds since 1970; None where an imported table did not say."""


@dataclass(frozen=True)
class ReaderProgress:
    """How far one reader is."""

    name: str
    revoked: bool
    done: tuple[int, ...]
    """Number of cases submitted in each read, from 0 to ``cases``."""
    cases: int
    """Number of cases in each read, from 0."""
    seconds: float
    """In all submitted cases."""
    median_seconds: float
    """Of a submitted case; NaN where there is none."""
    last_at: float | None
    """When the reader last saved anything, in seconds since 1970."""
