"""The spool's database: its tables, and their rows as values."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from cxrshift.errors import CxrshiftError

DATABASE = "spool.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    digest TEXT PRIMARY KEY,
    sop_instance_uid TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    caller TEXT NOT NULL,
    rule TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    received_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL,
    finished_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, next_at);
CREATE TABLE IF NOT EXISTS deliveries (
    digest TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL,
    PRIMARY KEY (digest, destination)
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, next_at);
"""
_PATIENCE = 30.0
"""Seconds that a writer waits for another process's transaction."""


class SpoolError(CxrshiftError):
    """The spool's folder is not there, or another bridge works in it."""


class State(StrEnum):
    """Where a radiograph stands; a delivery is waiting, done or dead."""

    WAITING = "waiting"
    """To be explained, or to be delivered."""
    EXPLAINED = "explained"
    """Its results wait to be delivered."""
    DONE = "done"
    """Nothing is left to do."""
    IGNORED = "ignored"
    """No rule wants it, or there is nothing to explain."""
    DEAD = "dead"
    """Given up."""


@dataclass(frozen=True)
class Job:
    """A radiograph that was received."""

    digest: str
    """SHA-256 of its file: its name in the spool."""
    sop_instance_uid: str
    study_instance_uid: str
    caller: str
    rule: str
    """Name of the rule that wanted it; empty where none did."""
    state: State
    reason: str
    """Why it is dead or ignored, or why its last attempt failed; holds nothing of what was sent."""
    received_at: float
    """Seconds since the epoch, as every time here."""
    attempts: int
    """Number of attempts to explain it that failed."""
    next_at: float
    """When it is tried next, in seconds since the epoch."""


@dataclass(frozen=True)
class Delivery:
    """The results of one radiograph that one archive is to get."""

    job: Job
    destination: str
    attempts: int
    """Number of attempts that failed."""


def read_job(row: sqlite3.Row) -> Job:
    """The job in a row that has its columns."""
    values = {field.name: row[field.name] for field in fields(Job)}
    return Job(**values | {"state": State(row["state"])})


def connect(folder: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """The database of the spool in ``folder``, made where it is not there unless ``read_only``."""
    address = f"{(folder / DATABASE).absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    database = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    database.row_factory = sqlite3.Row
    if not read_only:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")  # a row that was committed outlives a power cut
    return database
