"""What was received and what became of it, on disk: whatever moment the machine stops at, nothing is lost or doubled.

A radiograph is acknowledged once its file and its row are on the disk. From then on its row alone says what is left to
do, and each step writes its files before the row says so: a step that was cut short is done again, and leaves the same
files behind. Files whose row does not ask for them are swept away at the next start.

    waiting ──> explained ──> done            results stand in every archive they were meant for
       │            │
       ├────────────┴──> dead                 given up; the file and the reason stand in the folder ``dead``
       └──> ignored                           no rule wants it, or it is unsuitable; nothing is kept but its row
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from .arrivals import Arrival, digest_of
from .spool_files import SpoolFiles
from .spool_records import SCHEMA, Delivery, Job, State, connect, read_job


class Spool:
    """A folder with a database and files: ``with Spool(folder) as spool``. Safe in threads; one process at a time.

    Raises SpoolError where the folder cannot be made or is another bridge's.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._files = SpoolFiles(folder)
        self._clock = clock
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._owned = self._files.prepare()
        self._database = connect(self._files.folder)
        self._database.executescript(SCHEMA)
        self._files.sweep(self._state_of)
        for row in self._database.execute("SELECT * FROM jobs WHERE state = 'explained'").fetchall():
            self._conclude(read_job(row))  # its last delivery may have been settled just before the end
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._database.close()
        self._owned.close()

    # ---- receiving ----

    def receive(self, arrival: Arrival, rule: str) -> bool:
        """Keep a radiograph for the rule that wants it; False where it is known, and so will not be explained again.

        When this returns, it is on the disk. One that died, or that no rule wanted, gets another chance.
        """
        with self._lock:
            if self._state_of(arrival.digest) in (State.WAITING, State.EXPLAINED, State.DONE):
                return False
            self._files.write(self._files.source(arrival.digest), arrival.content)
            self._enter(arrival, State.WAITING, rule, "")
            self._files.remove_letter(arrival.digest)
        return True

    def ignore(self, arrival: Arrival, reason: str) -> None:
        """Remember that an object came which is not explained."""
        with self._lock:
            if self._state_of(arrival.digest) in (None, State.IGNORED):
                self._enter(arrival, State.IGNORED, "", reason)

    def refuse(self, content: bytes, caller: str, reason: str) -> None:
        """Keep what cannot be read among the dead letters."""
        digest, now = digest_of(content), self._clock()
        with self._lock:
            self._files.write(self._files.letter(digest), content)
            job = Job(digest, "", "", caller, "", State.DEAD, reason, now, 0, now)
            self._files.write_letter(job, now)
            self._put(job)

    # ---- working ----

    def due(self, limit: int) -> list[Job]:
        """Radiographs to be explained now, those that waited longest first."""
        query = "SELECT * FROM jobs WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at LIMIT ?"
        with self._lock:
            return [read_job(row) for row in self._database.execute(query, (self._clock(), limit))]

    def due_deliveries(self, limit: int) -> list[Delivery]:
        """Deliveries to be tried now, those that waited longest first."""
        query = (
            "SELECT jobs.*, d.destination, d.attempts AS tries FROM deliveries d JOIN jobs USING (digest) "
            "WHERE d.state = 'waiting' AND d.next_at <= ? ORDER BY d.next_at LIMIT ?"
        )
        with self._lock:
            rows = self._database.execute(query, (self._clock(), limit)).fetchall()
        return [Delivery(read_job(row), row["destination"], row["tries"]) for row in rows]

    def source(self, job: Job) -> bytes:
        """The file of a radiograph that waits."""
        return self._files.source(job.digest).read_bytes()

    def results(self, job: Job) -> list[bytes]:
        """The files made of a radiograph that is explained, in the order in which they were given."""
        return [path.read_bytes() for path in sorted(self._files.results(job.digest).iterdir())]

    def keep_results(self, job: Job, files: Sequence[bytes], destinations: Sequence[str]) -> None:
        """The radiograph is explained: from now on only its deliveries are left to do."""
        self._files.write_results(job.digest, files)
        now = self._clock()
        with self._transaction() as database:
            self._change(job, state=State.EXPLAINED, reason="")
            insert = "INSERT OR REPLACE INTO deliveries (digest, destination, state, next_at) VALUES (?, ?, ?, ?)"
            database.executemany(insert, [(job.digest, name, State.WAITING, now) for name in destinations])

    def postpone(self, job: Job, reason: str, wait: float) -> None:
        """Explaining failed; it is tried again in ``wait`` seconds."""
        with self._transaction():
            self._change(job, reason=reason, attempts=job.attempts + 1, next_at=self._clock() + wait)

    def drop(self, job: Job, reason: str) -> None:
        """The radiograph is not explained after all, and that is no fault."""
        self._finish(job, State.IGNORED, reason)

    def bury(self, job: Job, reason: str) -> None:
        """Give it up: the file and the reason become a dead letter."""
        self._files.write_letter(replace(job, reason=reason), self._clock())
        self._finish(job, State.DEAD, reason)

    def postpone_delivery(self, delivery: Delivery, reason: str, wait: float) -> None:
        """A delivery failed; it is tried again in ``wait`` seconds."""
        with self._transaction():
            later = self._clock() + wait
            self._change_delivery(delivery, reason=reason, attempts=delivery.attempts + 1, next_at=later)

    def settle(self, delivery: Delivery, refusal: str = "") -> State:
        """An archive has the results, or will never take them: ``refusal`` says why. Returns where that leaves it all.

        The radiograph is done once every archive has its results, and dead if one refused them and no other waits.
        """
        with self._transaction():
            self._change_delivery(delivery, state=State.DEAD if refusal else State.DONE, reason=refusal)
        return self._conclude(delivery.job)

    # ---- looking after ----

    def count(self, state: State) -> int:
        """How many radiographs stand there."""
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM jobs WHERE state = ?", (state,)).fetchone()[0])

    def free_bytes(self) -> int:
        """What is left on the spool's disk."""
        return self._files.free_bytes()

    def forget(self, before: float) -> int:
        """Forget what was done or ignored before that time; returns how many.

        ``before``: a moment in seconds since the epoch.
        """
        query = "DELETE FROM jobs WHERE state IN ('done', 'ignored') AND coalesce(finished_at, received_at) < ?"
        with self._transaction() as database:
            return database.execute(query, (before,)).rowcount

    def _conclude(self, job: Job) -> State:
        """Finish a radiograph none of whose deliveries waits any more."""
        query = "SELECT state, reason FROM deliveries WHERE digest = ?"
        with self._lock:
            deliveries = self._database.execute(query, (job.digest,)).fetchall()
        if any(each["state"] == State.WAITING for each in deliveries):
            return State.EXPLAINED
        refusals = [each["reason"] for each in deliveries if each["state"] == State.DEAD]
        if refusals:
            self.bury(job, refusals[0])
            return State.DEAD
        self._finish(job, State.DONE, "")
        return State.DONE

    def _state_of(self, digest: str) -> State | None:
        with self._lock:
            row = self._database.execute("SELECT state FROM jobs WHERE digest = ?", (digest,)).fetchone()
        return State(row["state"]) if row else None

    def _enter(self, arrival: Arrival, state: State, rule: str, reason: str) -> None:
        now = self._clock()
        uids = (arrival.sop_instance_uid, arrival.study_instance_uid)
        self._put(Job(arrival.digest, *uids, arrival.caller, rule, state, reason, now, 0, now))

    def _put(self, job: Job) -> None:
        """Write a row anew, without the deliveries that an earlier life may have left."""
        row = asdict(job)
        columns, places = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE digest = ?", (job.digest,))
            database.execute(f"INSERT INTO jobs ({columns}) VALUES ({places})", row)  # noqa: S608 - own names

    def _finish(self, job: Job, state: State, reason: str) -> None:
        with self._transaction():
            self._change(job, state=state, reason=reason, finished_at=self._clock())
        self._files.remove_work(job.digest)

    def _change(self, job: Job, **values: str | float) -> None:
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        query = f"UPDATE jobs SET {assignments} WHERE digest = :digest"  # noqa: S608 - own names
        self._database.execute(query, {**values, "digest": job.digest})

    def _change_delivery(self, delivery: Delivery, **values: str | float) -> None:
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        query = f"UPDATE deliveries SET {assignments} WHERE digest = :digest AND destination = :destination"  # noqa: S608
        key = {"digest": delivery.job.digest, "destination": delivery.destination}
        self._database.execute(query, {**values, **key})

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
