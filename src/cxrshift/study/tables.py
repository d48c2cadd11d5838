"""A study as tables, the first of which ``evaluate reader-study`` reads."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ..evaluation.reader_study import READINGS
from .cases import list_cases, read_study
from .database import Database
from .design import Arms
from .readings import list_progress, list_readings
from .records import Case, ReaderProgress, SubmittedReading
from .results import split_pairs

TRIALS, READERS, UNPAIRED, ABOUT = "trials.csv", "readers.csv", "unpaired.csv", "study.json"
_READING_COLUMNS = (
    *("example", "reader", "read", "arm", "target", "label", "label_name", "confidence", "correct_feature"),
    *("comment", "seconds", "position", "answered_at"),
)
TRIAL_COLUMNS = ("example", "target", "label", "label_name", "first_read_arm")
_READER_COLUMNS = ("reader", "done", "cases", "minutes", "median_seconds")


def make_tables(database: Database) -> dict[str, str]:
    """The text of every table by its file's name.

    readings.csv holds what ``evaluate reader-study`` reads; of a study with both arms those are the complete pairs, and
    readings that still wait for their other arm stand in unpaired.csv. trials.csv holds the cases, readers.csv how far
    each reader is, study.json what the study is.
    """
    study, cases, readings = read_study(database), list_cases(database), list_readings(database)
    paired, unpaired = split_pairs(readings) if study.arms is Arms.BOTH else (readings, ())
    extra = list(dict.fromkeys(name for case in cases for name in case.details))
    tables = {
        READINGS: _to_csv(map(_reading_row, paired), _READING_COLUMNS),
        TRIALS: _to_csv(map(_trial_row, cases), [*TRIAL_COLUMNS, *extra]),
        READERS: _to_csv(map(_reader_row, list_progress(database)), _READER_COLUMNS),
        ABOUT: json.dumps({**asdict(study), "created_at": _say_time(study.created_at)}, indent=2) + "\n",
    }
    if unpaired:
        tables[UNPAIRED] = _to_csv(map(_reading_row, unpaired), _READING_COLUMNS)
    return tables


def _reading_row(one: SubmittedReading) -> dict[str, str]:
    case, answer = one.case, one.answer
    return {
        "example": case.example,
        "reader": one.reader,
        "read": str(one.read),
        "arm": one.arm,
        "target": case.finding,
        "label": case.label,
        "label_name": case.label_name,
        "confidence": str(answer.confidence),
        "correct_feature": str(answer.correct_feature),
        "comment": answer.comment,
        "seconds": f"{answer.seconds:.1f}" if answer.seconds else "",
        "position": str(one.position + 1),
        "answered_at": "" if one.submitted_at is None else _say_time(one.submitted_at),
    }


def _trial_row(case: Case) -> dict[str, str]:
    own = (case.example, case.finding, case.label, case.label_name, case.first_arm)
    return {**dict(zip(TRIAL_COLUMNS, own, strict=True)), **case.details}


def _reader_row(one: ReaderProgress) -> dict[str, str]:
    own = (
        one.name,
        " ".join(map(str, one.done)),
        str(one.cases),
        f"{one.seconds / 60:.1f}",
        "" if math.isnan(one.median_seconds) else f"{one.median_seconds:.1f}",
    )
    return dict(zip(_READER_COLUMNS, own, strict=True))


def _say_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _to_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
