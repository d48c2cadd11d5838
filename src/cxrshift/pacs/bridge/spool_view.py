"""A spool looked at from outside, whether its bridge runs or not."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .spool_files import SpoolFiles
from .spool_records import DATABASE, Job, SpoolError, State, connect, read_job


@dataclass(frozen=True)
class Overview:
    """What stands in a spool."""

    counts: dict[State, int]
    """Number of radiographs in each state."""
    undelivered: dict[str, int]
    """Destination -> number of radiographs whose results it has not got yet."""
    oldest_at: float | None
    """When the one was received that is unfinished for longest, in seconds since the epoch; None where all is
    finished."""
    troubled: tuple[Job, ...]
    """The dead, and those whose last attempt failed, the latest first; their attempts are those of all steps."""


def look_into(folder: Path, *, limit: int = 20) -> Overview:
    """What stands in the spool in ``folder``, ``limit`` of the troubled at most. Raises SpoolError."""
    with _opened(folder, read_only=True) as database:
        counts = dict.fromkeys(State, 0)
        for row in database.execute("SELECT state, count(*) AS n FROM jobs GROUP BY state"):
            counts[State(row["state"])] = row["n"]
        query = "SELECT destination, count(*) AS n FROM deliveries WHERE state = 'waiting' GROUP BY destination"
        undelivered = {row["destination"]: row["n"] for row in database.execute(query)}
        query = "SELECT min(received_at) AS oldest FROM jobs WHERE state IN ('waiting', 'explained')"
        oldest = database.execute(query).fetchone()["oldest"]
        query = (
            "SELECT j.digest, j.sop_instance_uid, j.study_instance_uid, j.caller, j.rule, j.state, j.received_at, "
            "j.next_at, coalesce(nullif(j.reason, ''), max(d.reason)) AS reason, "
            "j.attempts + coalesce(sum(d.attempts), 0) AS attempts FROM jobs j LEFT JOIN deliveries d USING (digest) "
            "WHERE j.state = 'dead' OR (j.state IN ('waiting', 'explained') AND (j.reason != '' OR d.reason != '')) "
            "GROUP BY j.digest ORDER BY j.received_at DESC LIMIT ?"
        )
        troubled = tuple(read_job(row) for row in database.execute(query, (limit,)))
    return Overview(counts, undelivered, oldest, troubled)


def revive(folder: Path, digest: str = "") -> int:
    """Let dead letters be explained again: those whose digest begins so; returns how many.

    What could never be read stays, for no rule knows what to do with it. Raises SpoolError.
    """
    files = SpoolFiles(folder)
    with _opened(folder) as database:
        query = "SELECT digest FROM jobs WHERE state = 'dead' AND rule != '' AND substr(digest, 1, ?) = ?"
        found = [row["digest"] for row in database.execute(query, (len(digest), digest))]
        for each in found:
            files.unbury(each)
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("DELETE FROM deliveries WHERE digest = ?", (each,))
                database.execute(
                    "UPDATE jobs SET state = 'waiting', reason = '', attempts = 0, received_at = ?, next_at = 0, "
                    "finished_at = NULL WHERE digest = ?",
                    (time.time(), each),
                )
            files.remove_letter(each)
    return len(found)


@contextmanager
def _opened(folder: Path, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    if not (folder / DATABASE).is_file():
        raise SpoolError(f"{folder}: there is no spool here; a bridge makes it when it first runs.")
    database = connect(folder, read_only=read_only)
    try:
        yield database
    finally:
        database.close()
