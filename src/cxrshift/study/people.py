"""Who may open a study: readers and administrators, their codes and their sessions."""

from __future__ import annotations

import secrets
import sqlite3
import time
from dataclasses import dataclass

from .cases import cases_of
from .codes import hash_code, hash_token, make_code
from .database import Database
from .design import Arms, plan_showings
from .errors import ReaderError, StudyFileError
from .records import Person, Role

SESSION_SECONDS = 12 * 3600.0
"""After which a session that was not used ends: a working day, not a shared workstation's night."""
_SEEN_SECONDS = 60.0
LONGEST_NAME = 64
"""Characters of a person's name."""


@dataclass(frozen=True)
class NewCode:
    """A person whose code was just made: ``code`` is told once and kept nowhere."""

    person: Person
    code: str


def add_person(database: Database, name: str, role: Role = Role.READER) -> NewCode:
    """Add a reader, with the whole order of what he or she will be shown, or an administrator.

    An empty name becomes the person's number. Raises ReaderError for a name that is taken or cannot stand in a table,
    StudyFileError for a study that is not finished.
    """
    code, now = make_code(), time.time()
    with database.writing() as connection:
        arms, seed, salt = _facts(connection)
        number = 1 + connection.execute("SELECT coalesce(max(number), 0) FROM people").fetchone()[0]
        person = Person(number, _checked(name or str(number)), role, now)
        hashed = hash_code(code, salt)
        _insert(connection, person, hashed)
        if role is Role.READER:
            firsts = {case.example: case.first_arm for case in cases_of(connection)}
            connection.executemany(
                "INSERT INTO showings (reader, read, position, example, arm) VALUES (?, ?, ?, ?, ?)",
                [(number, s.read, s.position, s.example, s.arm) for s in plan_showings(firsts, arms, seed, number)],
            )
    return NewCode(person, code)


def renew_code(database: Database, name: str) -> NewCode:
    """Give a person another code; the one before and its sessions hold no more.

    Raises ReaderError and StudyFileError.
    """
    code = make_code()
    with database.writing() as connection:
        _, _, salt = _facts(connection)
        person = _find(connection, name)
        connection.execute("UPDATE people SET code_hash = ? WHERE number = ?", (hash_code(code, salt), person.number))
        connection.execute("DELETE FROM sessions WHERE person = ?", (person.number,))
    return NewCode(person, code)


def revoke_code(database: Database, name: str) -> Person:
    """Take a person's code and sessions away; the answers stay. Raises ReaderError."""
    with database.writing() as connection:
        person = _find(connection, name)
        connection.execute("UPDATE people SET code_hash = NULL WHERE number = ?", (person.number,))
        connection.execute("DELETE FROM sessions WHERE person = ?", (person.number,))
    return person


def add_imported_reader(connection: sqlite3.Connection, name: str) -> int:
    """Add a reader of an imported table, who has no code; the reader's number. Raises ReaderError."""
    number = 1 + int(connection.execute("SELECT coalesce(max(number), 0) FROM people").fetchone()[0])
    _insert(connection, Person(number, _checked(name), Role.READER, time.time()), None)
    return number


def list_people(database: Database) -> tuple[Person, ...]:
    """Everyone, in the order in which they were added."""
    with database.reading() as connection:
        return tuple(map(_person, connection.execute("SELECT * FROM people ORDER BY number")))


def open_session(database: Database, code: str) -> tuple[Person, str] | None:
    """Whose code it is, and the token of a new session; None for a code that nobody has.

    Every try takes the same work, whether the code is somebody's or not. Raises StudyFileError.
    """
    with database.reading() as connection:
        _, _, salt = _facts(connection)
    hashed = hash_code(code, salt)
    token, now = secrets.token_urlsafe(32), time.time()
    with database.writing() as connection:
        row = connection.execute("SELECT * FROM people WHERE code_hash = ?", (hashed,)).fetchone()
        if row is None:
            return None
        connection.execute("DELETE FROM sessions WHERE seen_at < ?", (now - SESSION_SECONDS,))
        connection.execute("INSERT INTO sessions VALUES (?, ?, ?)", (hash_token(token), row["number"], now))
    return _person(row), token


def find_session(database: Database, token: str) -> Person | None:
    """Whose session the token opens; None where it is over."""
    hashed, now = hash_token(token), time.time()
    with database.reading() as connection:
        row = connection.execute(
            "SELECT people.*, sessions.seen_at FROM sessions JOIN people ON people.number = sessions.person "
            "WHERE token_hash = ? AND seen_at >= ? AND code_hash IS NOT NULL",
            (hashed, now - SESSION_SECONDS),
        ).fetchone()
    if row is None:
        return None
    if now - row["seen_at"] > _SEEN_SECONDS:
        with database.writing() as connection:
            connection.execute("UPDATE sessions SET seen_at = ? WHERE token_hash = ?", (now, hashed))
    return _person(row)


def close_session(database: Database, token: str) -> None:
    """End a session, if it is one."""
    with database.writing() as connection:
        connection.execute("DELETE FROM sessions WHERE token_hash = ?", (hash_token(token),))


def _facts(connection: sqlite3.Connection) -> tuple[Arms, int, bytes]:
    row = connection.execute("SELECT arms, seed, salt FROM study").fetchone()
    if row is None:
        raise StudyFileError("The study is not finished; run cxrshift study create again.")
    return Arms(row["arms"]), row["seed"], row["salt"]


def _insert(connection: sqlite3.Connection, person: Person, hashed: bytes | None) -> None:
    try:
        connection.execute(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            (person.number, person.name, person.role, hashed, person.created_at),
        )
    except sqlite3.IntegrityError as error:
        raise ReaderError(
            f"There is a {person.name} already; cxrshift study readers list tells who is there."
        ) from error


def _find(connection: sqlite3.Connection, name: str) -> Person:
    row = connection.execute("SELECT * FROM people WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise ReaderError(f"There is no {name}; cxrshift study readers list tells who is there.")
    return _person(row)


def _person(row: sqlite3.Row) -> Person:
    return Person(row["number"], row["name"], Role(row["role"]), row["created_at"], row["code_hash"] is None)


def _checked(name: str) -> str:
    if not (name.isprintable() and name == name.strip() and 0 < len(name) <= LONGEST_NAME):
        raise ReaderError(f"A name must be 1 to {LONGEST_NAME} printable characters without spaces around them.")
    return name
