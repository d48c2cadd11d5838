"""Tables of a study that was read elsewhere, such as the paper's, into a study's file."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..evaluation.reader_study import LATENT_SHIFT, READINGS, TRADITIONAL, read_readings
from .building import StudyPlan
from .case_table import read_csv
from .cases import add_case, begin_study
from .database import Database
from .design import Arms
from .errors import CaseTableError
from .people import add_imported_reader
from .records import Case
from .tables import ABOUT, TRIAL_COLUMNS, TRIALS, UNPAIRED

_NEEDED = ("example", "reader", "read", "arm", "target", "label_name", "confidence", "correct_feature")


@dataclass(frozen=True)
class _Row:
    """One reading's line."""

    where: str
    cells: Mapping[str, str]

    def number(self, name: str, low: int, high: int) -> int:
        text = self.cells[name]
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise CaseTableError(f"{self.where}: {name} must be a whole number from {low} to {high}.")
        return int(text)

    def seconds(self) -> float:
        text = self.cells.get("seconds") or "0"
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0.0):
            raise CaseTableError(f"{self.where}: seconds must be a number from 0, or empty.")
        return seconds

    def answered_at(self) -> float | None:
        text = self.cells.get("answered_at")
        try:
            return datetime.fromisoformat(text).timestamp() if text else None
        except ValueError as error:
            raise CaseTableError(
                f"{self.where}: answered_at must be a time such as 2026-01-31T09:00:00+00:00."
            ) from error


def import_tables(folder: Path, database: Database, title: str = "") -> None:
    """Put ``folder``'s readings.csv, with trials.csv and unpaired.csv where they are there, into an empty study.

    Such a study has no pictures and its readers no codes. Raises StudyError, CaseTableError and StudyFileError.
    """
    read_readings(folder)  # says what is wrong with the answers themselves
    rows = [_Row(f"{READINGS}, line {line}", cells) for line, cells in read_csv(folder / READINGS, _NEEDED)]
    if (folder / UNPAIRED).exists():
        rows += [_Row(f"{UNPAIRED}, line {line}", cells) for line, cells in read_csv(folder / UNPAIRED, _NEEDED)]
    if not rows:
        raise CaseTableError(f"{READINGS} has no readings.")
    cases = _read_trials(folder / TRIALS) if (folder / TRIALS).exists() else _gather_cases(rows)
    _check_rows(rows, {case.example: case for case in cases})
    plan, created_at = _read_about(folder / ABOUT, rows)
    with database.writing() as connection:
        named = title or plan.title or folder.resolve().name
        begin_study(connection, named, plan.arms, plan.seed, washout_days=plan.washout_days, created_at=created_at)
        for case in cases:
            add_case(connection, case)
        readers = {
            name: add_imported_reader(connection, name) for name in dict.fromkeys(row.cells["reader"] for row in rows)
        }
        connection.executemany(
            "INSERT INTO showings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            [_showing(row, readers, position) for row, position in zip(rows, _place(rows), strict=True)],
        )


def _showing(row: _Row, readers: Mapping[str, int], position: int) -> tuple[object, ...]:
    cells = row.cells
    return (
        readers[cells["reader"]],
        row.number("read", 0, 1),
        position,
        cells["example"],
        cells["arm"],
        row.number("confidence", 1, 5),
        row.number("correct_feature", 1, 5),
        cells.get("comment", ""),
        row.seconds(),
        row.answered_at(),
    )


def _read_trials(path: Path) -> tuple[Case, ...]:
    cases = []
    for line, row in read_csv(path, TRIAL_COLUMNS):
        own = [row[name] for name in TRIAL_COLUMNS]
        if not own[0] or own[4] not in (LATENT_SHIFT, TRADITIONAL):
            raise CaseTableError(
                f"{path.name}, line {line}: example must not be empty, and first_read_arm be {LATENT_SHIFT} or "
                f"{TRADITIONAL}."
            )
        example, finding, label, label_name, first_arm = own
        details = {name: cell for name, cell in row.items() if name not in TRIAL_COLUMNS}
        cases.append(Case(example, finding, label_name, label, first_arm, details, has_pictures=False))
    twice = [example for example, count in Counter(case.example for case in cases).items() if count > 1]
    if twice:
        raise CaseTableError(f"{path.name} has example {twice[0]} twice.")
    return tuple(cases)


def _gather_cases(rows: Iterable[_Row]) -> tuple[Case, ...]:
    """The cases that readings tell of, each first shown as its earliest reading says."""
    cases: dict[str, Case] = {}
    for row in sorted(rows, key=lambda row: row.cells["read"]):
        c = row.cells
        case = Case(c["example"], c["target"], c["label_name"], c.get("label", ""), c["arm"], has_pictures=False)
        cases.setdefault(case.example, case)
    return tuple(cases[example] for example in dict.fromkeys(row.cells["example"] for row in rows))


def _check_rows(rows: Iterable[_Row], cases: Mapping[str, Case]) -> None:
    """Raise CaseTableError where a reading contradicts its case, or stands there twice."""
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        cells = row.cells
        case = cases.get(cells["example"])
        if case is None:
            raise CaseTableError(f"{row.where}: {TRIALS} has no example {cells['example']}.")
        if (cells["target"], cells["label_name"]) != (case.finding, case.label_name):
            raise CaseTableError(f"{row.where}: example {case.example} is another finding or label elsewhere.")
        if cells["arm"] not in (LATENT_SHIFT, TRADITIONAL):
            raise CaseTableError(f"{row.where}: arm must be {LATENT_SHIFT} or {TRADITIONAL}.")
        for name in ("arm", "read"):
            key = (name, cells["reader"], case.example, cells[name])
            if key in seen:
                raise CaseTableError(f"{row.where}: this reader read example {case.example} in that {name} already.")
            seen.add(key)


def _place(rows: Sequence[_Row]) -> list[int]:
    """Each reading's position within its reader's read: as told, or in the order of the lines."""
    if all(row.cells.get("position") for row in rows):
        return [row.number("position", 1, 1_000_000) - 1 for row in rows]
    count: Counter[tuple[str, str]] = Counter()
    positions = []
    for row in rows:
        key = (row.cells["reader"], row.cells["read"])
        positions.append(count[key])
        count[key] += 1
    return positions


def _read_about(path: Path, rows: Iterable[_Row]) -> tuple[StudyPlan, float | None]:
    """What study.json says of the study and when it was made; without it, what the readings do."""
    if path.exists():
        try:
            about = json.loads(path.read_text("utf-8"))
            plan = StudyPlan(str(about["title"]), Arms(about["arms"]), int(about["seed"]), float(about["washout_days"]))
            return plan, datetime.fromisoformat(about["created_at"]).timestamp()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CaseTableError(f"{path.name} is not what cxrshift study export writes; remove it.") from error
    shown = {row.cells["arm"] for row in rows}
    if len(shown) == 2:
        return StudyPlan("", Arms.BOTH, 0), None
    return StudyPlan("", Arms.LATENT_SHIFT if shown == {LATENT_SHIFT} else Arms.TRADITIONAL, 0), None
