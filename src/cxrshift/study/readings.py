"""A reader's way through a study: where he or she stands, drafts, submitted answers."""

from __future__ import annotations

import math
import sqlite3
import statistics
import time
from collections.abc import Sequence

from .cases import cases_of
from .database import Database
from .errors import AnswerError, MovedOn
from .records import LONGEST_COMMENT, QUESTIONS, Answer, Place, ReaderProgress, Role, SubmittedReading

_DAY = 86_400.0
_NEXT = """
SELECT showings.*, cases.finding, (
    SELECT count(*) FROM showings AS twin WHERE twin.reader = showings.reader AND twin.read = showings.read
) AS cases
FROM showings JOIN cases USING (example)
WHERE reader = ? AND NOT submitted ORDER BY read, showings.position LIMIT 1
"""
# Seconds only grow: a draft that was overtaken on the way brings an older count.
_SAVE = """
UPDATE showings
SET confidence = ?, correct_feature = ?, comment = ?, seconds = max(seconds, ?), saved_at = ?, submitted = ?
WHERE reader = ? AND read = ? AND position = ?
"""


def find_place(database: Database, reader: int) -> Place | None:
    """The first showing that the reader has not submitted; None after the last."""
    with database.reading() as connection:
        return _place(connection, reader)


def rest_until(database: Database, reader: int, place: Place, washout_days: float) -> float | None:
    """When the reader may begin the read that ``place`` opens, in seconds since 1970; None where that is now."""
    if not (washout_days and place.read and place.position == 0):
        return None
    with database.reading() as connection:
        row = connection.execute(
            "SELECT max(saved_at) FROM showings WHERE reader = ? AND read = ?", (reader, place.read - 1)
        ).fetchone()
    until = float(row[0]) + washout_days * _DAY
    return until if until > time.time() else None


def save_draft(database: Database, reader: int, ticket: str, answer: Answer) -> None:
    """Keep what was answered so far. Raises MovedOn where ``ticket`` is not the reader's place, and AnswerError."""
    _check(answer)
    with database.writing() as connection:
        _save(connection, reader, _stand_at(connection, reader, ticket), answer, submitted=False)


def submit_answer(database: Database, reader: int, ticket: str, answer: Answer) -> Place | None:
    """Keep an answer for good; the reader's next place. Raises MovedOn and AnswerError.

    The same answer to the showing just left is no fault: its first reply may have been lost on the way.
    """
    _check(answer)
    if not answer.is_complete:
        raise AnswerError("Both questions need an answer from 1 to 5.")
    with database.writing() as connection:
        if not _was_submitted(connection, reader, ticket, answer):
            _save(connection, reader, _stand_at(connection, reader, ticket), answer, submitted=True)
        return _place(connection, reader)


def list_readings(database: Database) -> tuple[SubmittedReading, ...]:
    """Every submitted answer, by case in the study's order, then reader, then read."""
    with database.reading() as connection:
        cases = {case.example: case for case in cases_of(connection)}
        rows = connection.execute(
            "SELECT showings.*, people.name FROM showings JOIN people ON people.number = showings.reader "
            "JOIN cases USING (example) WHERE submitted ORDER BY cases.position, reader, read"
        ).fetchall()
    return tuple(
        SubmittedReading(
            row["name"], row["read"], row["position"], cases[row["example"]], row["arm"], _answer(row), row["saved_at"]
        )
        for row in rows
    )


def list_progress(database: Database) -> tuple[ReaderProgress, ...]:
    """How far every reader is."""
    with database.reading() as connection:
        people = connection.execute("SELECT * FROM people WHERE role = ? ORDER BY number", (Role.READER,)).fetchall()
        rows: dict[int, list[sqlite3.Row]] = {person["number"]: [] for person in people}
        for row in connection.execute("SELECT reader, read, submitted, seconds, saved_at FROM showings"):
            rows[row["reader"]].append(row)
    return tuple(_progress(person, rows[person["number"]]) for person in people)


def _progress(person: sqlite3.Row, rows: Sequence[sqlite3.Row]) -> ReaderProgress:
    reads = sorted({row["read"] for row in rows})
    seconds = [row["seconds"] for row in rows if row["submitted"] and row["seconds"]]  # imported ones may have none
    return ReaderProgress(
        name=person["name"],
        revoked=person["code_hash"] is None,
        done=tuple(sum(row["submitted"] for row in rows if row["read"] == read) for read in reads),
        cases=max((sum(row["read"] == read for row in rows) for read in reads), default=0),
        seconds=sum(seconds),
        median_seconds=statistics.median(seconds) if seconds else math.nan,
        last_at=max((row["saved_at"] for row in rows if row["saved_at"] is not None), default=None),
    )


def _check(answer: Answer) -> None:
    for question in QUESTIONS:
        said = getattr(answer, question)
        if said is not None and said not in range(1, 6):
            raise AnswerError(f"{question} must be a whole number from 1 to 5.")
    if len(answer.comment) > LONGEST_COMMENT:
        raise AnswerError(f"A comment has at most {LONGEST_COMMENT} characters.")
    if not (math.isfinite(answer.seconds) and answer.seconds >= 0.0):
        raise AnswerError("seconds must be a number from 0.")


def _place(connection: sqlite3.Connection, reader: int) -> Place | None:
    row = connection.execute(_NEXT, (reader,)).fetchone()
    if row is None:
        return None
    return Place(row["read"], row["position"], row["cases"], row["example"], row["finding"], row["arm"], _answer(row))


def _stand_at(connection: sqlite3.Connection, reader: int, ticket: str) -> Place:
    place = _place(connection, reader)
    if place is None or place.ticket != ticket:
        raise MovedOn("This case was answered in another window; load the page again.")
    return place


def _save(connection: sqlite3.Connection, reader: int, place: Place, answer: Answer, *, submitted: bool) -> None:
    connection.execute(
        _SAVE,
        (
            answer.confidence,
            answer.correct_feature,
            answer.comment,
            answer.seconds,
            time.time(),
            submitted,
            reader,
            place.read,
            place.position,
        ),
    )


def _was_submitted(connection: sqlite3.Connection, reader: int, ticket: str, answer: Answer) -> bool:
    row = connection.execute(
        "SELECT * FROM showings WHERE reader = ? AND read || '.' || position = ? AND submitted", (reader, ticket)
    ).fetchone()
    if row is None:
        return False
    kept = _answer(row)
    said = (answer.confidence, answer.correct_feature, answer.comment)
    if said != (kept.confidence, kept.correct_feature, kept.comment):
        raise MovedOn("This case was answered in another window; load the page again.")
    return True


def _answer(row: sqlite3.Row) -> Answer:
    return Answer(row["confidence"], row["correct_feature"], row["comment"], row["seconds"])
