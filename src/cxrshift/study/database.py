"""One SQLite file for one study: opened safely, changed in transactions that outlive a crash."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import StudyFileError

_APPLICATION = 0x43585354  # "CXST", so that a file of someone else's is told from a study
_VERSION = 1
_SCHEMA = """
CREATE TABLE study (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    title TEXT NOT NULL,
    arms TEXT NOT NULL CHECK (arms IN ('both', 'latent-shift', 'traditional')),
    seed INTEGER NOT NULL,
    created_at REAL NOT NULL,
    washout_days REAL NOT NULL,
    salt BLOB NOT NULL
) STRICT;
CREATE TABLE cases (
    position INTEGER PRIMARY KEY,
    example TEXT NOT NULL UNIQUE,
    finding TEXT NOT NULL,
    label_name TEXT NOT NULL,
    label TEXT NOT NULL,
    first_arm TEXT NOT NULL,
    details TEXT NOT NULL,
    digest TEXT NOT NULL,
    explanation BLOB
) STRICT;
CREATE TABLE people (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('reader', 'admin')),
    code_hash BLOB UNIQUE,
    created_at REAL NOT NULL
) STRICT;
CREATE TABLE showings (
    reader INTEGER NOT NULL REFERENCES people (number),
    read INTEGER NOT NULL,
    position INTEGER NOT NULL,
    example TEXT NOT NULL REFERENCES cases (example),
    arm TEXT NOT NULL CHECK (arm IN ('Latent Shift', 'Traditional')),
    confidence INTEGER CHECK (confidence BETWEEN 1 AND 5),
    correct_feature INTEGER CHECK (correct_feature BETWEEN 1 AND 5),
    comment TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    saved_at REAL,
    submitted INTEGER NOT NULL DEFAULT 0 CHECK (submitted IN (0, 1)),
    PRIMARY KEY (reader, read, position),
    UNIQUE (reader, example, arm),
    CHECK (NOT submitted OR (confidence IS NOT NULL AND correct_feature IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    person INTEGER NOT NULL REFERENCES people (number) ON DELETE CASCADE,
    seen_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Database:
    """An open study file, for any number of threads. ``with Database(path) as database``.

    What a finished transaction wrote stays written, whatever dies afterwards: the log is synchronised to the disk
    before it ends. Other processes may read and write the file at the same time. Raises StudyFileError.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        if new and path.exists():
            raise StudyFileError(f"{path} is already there; a study is not written over. Name another file.")
        if not new and not path.is_file():
            raise StudyFileError(f"{path} is not there; cxrshift study create makes a study.")
        self.path = path
        self._lock = threading.RLock()
        try:
            if new:  # it will hold labels and answers: for its owner alone, as are the files that SQLite puts beside it
                os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self._prepare(new=new)
        except (sqlite3.Error, OSError) as error:
            raise StudyFileError(f"{path} cannot be opened as a study: {_say(error)}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the last to do so also tidies its log away."""
        with self._lock:
            self._connection.close()

    def tidy(self) -> None:
        """Give back the room of what was removed, and bring the log home into the file."""
        with self._lock:
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing. Raises StudyFileError where the disk or another process refuses."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise StudyFileError(f"{self.path} cannot be written: {_say(error)}.") from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for questions that belong together."""
        with self._lock:
            if self._connection.in_transaction:  # this thread's own: it may look at what it is writing
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def _prepare(self, *, new: bool) -> None:
        execute = self._connection.execute
        if not new:
            application, version = (
                execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            if application != _APPLICATION:
                raise StudyFileError(f"{self.path} is no study; cxrshift study create makes one.")
            if version != _VERSION:
                raise StudyFileError(f"{self.path} is of version {version}; this software reads version {_VERSION}.")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = ON")
        if new:
            self._connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; COMMIT;"
            )


def _say(error: sqlite3.Error | OSError) -> str:
    said = error.strerror if isinstance(error, OSError) else str(error)
    return said or type(error).__name__
