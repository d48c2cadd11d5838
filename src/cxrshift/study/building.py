"""A study in the making: explanations gathered in a file of its own, which becomes the study when all are there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cxrshift_api.types import Explanation, Receipt

from .case_table import CaseRow, prediction_of
from .cases import add_case, begin_study, pack_explanation, unpack_explanation
from .database import Database
from .design import Arms, Stratum, choose_first_arms
from .errors import CaseTableError, StudyFileError
from .records import Case, Study

_GATHERED = (
    "CREATE TABLE IF NOT EXISTS gathered (digest TEXT, finding TEXT, recipe TEXT, explanation BLOB NOT NULL, "
    "PRIMARY KEY (digest, finding, recipe)) STRICT"
)


@dataclass(frozen=True)
class StudyPlan:
    """What an administrator chooses about a study."""

    title: str
    arms: Arms
    seed: int
    """From 0; draws every order."""
    washout_days: float = 0.0
    """Days, from 0, between a reader's first read and the second."""


class Builder:
    """Gathers explanations beside ``path`` until ``finish``: ``with Builder(path, recipe) as builder``.

    What was gathered outlives a stop: the next Builder of the same path and recipe goes on with it. ``recipe`` names
    whatever else decides an explanation: who was asked, with which options. Raises StudyFileError.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        if path.exists():
            raise StudyFileError(f"{path} is already there; a study is not written over. Name another file.")
        self._path, self._recipe = path, recipe
        self.part = path.with_name(path.name + ".part")

    def __enter__(self) -> Self:
        self._database = Database(self.part, new=not self.part.exists())
        with self._database.writing() as connection:
            connection.execute(_GATHERED)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._database.close()

    def has(self, row: CaseRow) -> bool:
        """Whether the row's explanation was gathered before. Raises OSError for its file."""
        return self._packed(row) is not None

    def gathered(self, row: CaseRow) -> Explanation:
        """The explanation that was gathered for the row. Raises StudyFileError and OSError."""
        packed = self._packed(row)
        if packed is None:
            raise StudyFileError(f"The explanation of example {row.example} is missing.")
        return unpack_explanation(packed)

    def gather(self, row: CaseRow, explanation: Explanation) -> None:
        """Keep the explanation of the row's radiograph and finding. Raises OSError."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO gathered VALUES (?, ?, ?, ?)",
                (digest_of(row.file), row.finding, self._recipe, pack_explanation(explanation)),
            )

    def finish(self, rows: Sequence[CaseRow], plan: StudyPlan) -> Study:
        """Make the study of ``rows``, each of which was gathered. Raises CaseTableError and StudyFileError.

        The file appears under its own name only when all of it is written.
        """
        digests = {row.example: digest_of(row.file) for row in rows}
        _refuse_twins(rows, digests)
        first_arms = choose_first_arms(
            {row.example: Stratum(row.finding, row.label_name) for row in rows}, plan.arms, plan.seed
        )
        receipts = []
        with self._database.writing() as connection:
            study = begin_study(connection, plan.title, plan.arms, plan.seed, washout_days=plan.washout_days)
            for row in rows:
                explanation = self.gathered(row)
                receipts.append(explanation.receipt)
                case = _case(row, explanation, first_arms[row.example])
                add_case(connection, case, digest=digests[row.example], explanation=pack_explanation(explanation))
            _refuse_mixture(receipts, self.part)
            connection.execute("DROP TABLE gathered")
        self._database.tidy()
        self._database.close()
        self.part.rename(self._path)
        return study

    def _packed(self, row: CaseRow) -> bytes | None:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT explanation FROM gathered WHERE digest = ? AND finding = ? AND recipe = ?",
                (digest_of(row.file), row.finding, self._recipe),
            ).fetchone()
        return bytes(found["explanation"]) if found else None


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises OSError."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _case(row: CaseRow, explanation: Explanation, first_arm: str) -> Case:
    receipt = explanation.receipt
    said = {"model": f"{receipt.model} {receipt.model_version}", "prediction": f"{prediction_of(explanation):.6f}"}
    return Case(row.example, row.finding, row.label_name, row.label, first_arm, {**row.details, **said})


def _refuse_twins(rows: Iterable[CaseRow], digests: Mapping[str, str]) -> None:
    seen: dict[tuple[str, str], CaseRow] = {}
    for row in rows:
        twin = seen.setdefault((digests[row.example], row.finding), row)
        if twin is not row:
            raise CaseTableError(
                f"Lines {twin.line} and {row.line} are the same radiograph and finding; a reader would see it twice "
                "with one arm."
            )


def _refuse_mixture(receipts: Iterable[Receipt], part: Path) -> None:
    models = {(one.model, one.model_version, one.files) for one in receipts}
    if len(models) > 1:
        names = ", ".join(sorted({f"{name} {version}" for name, version, _ in models}))
        raise StudyFileError(
            f"The cases were explained by different weights ({names}): a model was exchanged halfway. "
            f"Remove {part} and begin again."
        )
