"""The spool's files. Names are digests: nothing of a patient stands in them.

sources/DIGEST.dcm          a radiograph as it was received
results/DIGEST/0000.dcm     what was made of it
dead/DIGEST.dcm, .json      a dead letter and why it is one
partial/                    what is being written
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from .spool_records import Job, SpoolError, State

_WANTED_IN = {
    "sources": (State.WAITING, State.EXPLAINED),
    "results": (State.EXPLAINED,),
    "dead": (State.DEAD,),
}


class SpoolFiles:
    """The files of the spool in ``folder``. Each appears whole and on the disk, or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> IO[bytes]:
        """Make the folders and take the spool for this process, until the lock that is returned is closed.

        Raises SpoolError.
        """
        try:
            for name in (*_WANTED_IN, "partial"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("wb")
        except OSError as error:
            raise SpoolError(f"{self.folder}: {error.strerror}; the spool needs a folder to write in.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise SpoolError(
                f"{self.folder}: another bridge works in this spool; give each one a folder of its own."
            ) from error
        return lock

    def sweep(self, state_of: Callable[[str], State | None]) -> None:
        """Remove what a step left that was cut short: its row did not come to ask for it, or asks no longer."""
        for left in (self.folder / "partial").iterdir():
            _remove(left)
        for name, states in _WANTED_IN.items():
            for path in (self.folder / name).iterdir():
                if state_of(path.name.partition(".")[0]) not in states:
                    _remove(path)

    def source(self, digest: str) -> Path:
        """Where a radiograph stands while it waits."""
        return self.folder / f"sources/{digest}.dcm"

    def letter(self, digest: str) -> Path:
        """Where a dead letter stands; beside it a JSON file of the same name."""
        return self.folder / f"dead/{digest}.dcm"

    def results(self, digest: str) -> Path:
        """The folder of what was made of a radiograph."""
        return self.folder / "results" / digest

    def write(self, whole: Path, content: bytes) -> None:
        """Write one file."""
        partial = self.folder / f"partial/{threading.get_ident()}"
        _write_durably(partial, content)
        partial.rename(whole)
        _sync_folder(whole.parent)

    def write_results(self, digest: str, files: Sequence[bytes]) -> None:
        """Write the files made of a radiograph, in the place of any that were there."""
        partial, whole = self.folder / "partial" / digest, self.results(digest)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for number, content in enumerate(files):
            _write_durably(partial / f"{number:04}.dcm", content)
        _sync_folder(partial)
        shutil.rmtree(whole, ignore_errors=True)
        partial.rename(whole)
        _sync_folder(whole.parent)

    def write_letter(self, job: Job, given_up_at: float) -> None:
        """Make the radiograph a dead letter that says why. ``given_up_at``: a moment in seconds since the epoch."""
        source, letter = self.source(job.digest), self.letter(job.digest)
        if source.exists() and not letter.exists():
            os.link(source, letter)
        story = {
            "reason": job.reason,
            "sop_instance_uid": job.sop_instance_uid,
            "study_instance_uid": job.study_instance_uid,
            "caller": job.caller,
            "rule": job.rule,
            "received": _say_time(job.received_at),
            "given_up": _say_time(given_up_at),
        }
        self.write(letter.with_suffix(".json"), json.dumps(story, indent=2).encode() + b"\n")

    def unbury(self, digest: str) -> None:
        """Put a dead letter's file back among the sources; the letter stays until ``remove_letter``."""
        if not self.source(digest).exists():
            os.link(self.letter(digest), self.source(digest))
            _sync_folder(self.source(digest).parent)

    def remove_letter(self, digest: str) -> None:
        """Remove a dead letter, if there is one."""
        for path in (self.letter(digest), self.letter(digest).with_suffix(".json")):
            path.unlink(missing_ok=True)

    def remove_work(self, digest: str) -> None:
        """Remove a radiograph and what was made of it."""
        self.source(digest).unlink(missing_ok=True)
        shutil.rmtree(self.results(digest), ignore_errors=True)

    def free_bytes(self) -> int:
        """What is left on the disk."""
        return shutil.disk_usage(self.folder).free


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _say_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
