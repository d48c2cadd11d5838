"""The cases of a study: their facts, and their explanations as the service gave them."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time

from google.protobuf.message import DecodeError

from cxrshift_api import explain_pb2 as pb
from cxrshift_api.codec import CodecError, decode_explanation, encode_explanation, to_bytes
from cxrshift_api.types import Explanation

from .codes import SALT_BYTES
from .database import Database
from .design import Arms
from .errors import StudyFileError
from .records import Case, Study


def begin_study(
    connection: sqlite3.Connection,
    title: str,
    arms: Arms,
    seed: int,
    *,
    washout_days: float = 0.0,
    created_at: float | None = None,
) -> Study:
    """Write the study's own facts. Raises StudyFileError where there are some already.

    ``created_at`` in seconds since 1970, None for now; ``washout_days`` from 0.
    """
    if connection.execute("SELECT 1 FROM study").fetchone():
        raise StudyFileError("The file holds a study already; name another.")
    study = Study(title, arms, seed, time.time() if created_at is None else created_at, washout_days)
    connection.execute(
        "INSERT INTO study VALUES (1, ?, ?, ?, ?, ?, ?)",
        (title, arms, seed, study.created_at, washout_days, secrets.token_bytes(SALT_BYTES)),
    )
    return study


def read_study(database: Database) -> Study:
    """The study's own facts. Raises StudyFileError where its making was not finished."""
    with database.reading() as connection:
        row = connection.execute("SELECT title, arms, seed, created_at, washout_days FROM study").fetchone()
    if row is None:
        raise StudyFileError(f"{database.path} is not finished; run cxrshift study create again.")
    return Study(row["title"], Arms(row["arms"]), row["seed"], row["created_at"], row["washout_days"])


def add_case(connection: sqlite3.Connection, case: Case, *, digest: str = "", explanation: bytes | None = None) -> None:
    """Put a case behind those that are there; ``explanation`` as ``pack_explanation`` makes it."""
    connection.execute(
        "INSERT INTO cases (example, finding, label_name, label, first_arm, details, digest, explanation) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            case.example,
            case.finding,
            case.label_name,
            case.label,
            case.first_arm,
            json.dumps(dict(case.details)),
            digest,
            explanation,
        ),
    )


def list_cases(database: Database) -> tuple[Case, ...]:
    """The cases in the order in which they were put in."""
    with database.reading() as connection:
        return cases_of(connection)


def cases_of(connection: sqlite3.Connection) -> tuple[Case, ...]:
    """The same, within a transaction."""
    rows = connection.execute(
        "SELECT example, finding, label_name, label, first_arm, details, explanation IS NOT NULL AS has_pictures "
        "FROM cases ORDER BY position"
    )
    return tuple(
        Case(
            row["example"],
            row["finding"],
            row["label_name"],
            row["label"],
            row["first_arm"],
            json.loads(row["details"]),
            bool(row["has_pictures"]),
        )
        for row in rows
    )


def read_explanation(database: Database, example: str) -> Explanation:
    """A case's explanation, bit for bit as it came. Raises StudyFileError where the study has none."""
    with database.reading() as connection:
        row = connection.execute("SELECT explanation FROM cases WHERE example = ?", (example,)).fetchone()
    if row is None or row["explanation"] is None:
        raise StudyFileError(f"{database.path} has no pictures of this case: it was made from tables of readings.")
    return unpack_explanation(row["explanation"])


def pack_explanation(explanation: Explanation) -> bytes:
    """An explanation as the contract's protobuf message, its pictures packed losslessly."""
    return to_bytes(encode_explanation(explanation, compress=True))


def unpack_explanation(packed: bytes) -> Explanation:
    """The explanation that was packed. Raises StudyFileError for bytes that are none."""
    try:
        return decode_explanation(pb.Explanation.FromString(packed))
    except (CodecError, DecodeError) as error:
        raise StudyFileError("An explanation in the study's file is damaged.") from error
