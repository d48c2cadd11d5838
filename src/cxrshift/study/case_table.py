"""The table of cases that a study is made from: which radiograph, which finding, what the truth is."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrshift_api.types import Explanation

from ..errors import InvalidRequest
from .errors import CaseTableError

COLUMNS = ("example", "file", "target", "label_name")
_CALLED = {"True Positive": True, "False Positive": True, "True Negative": False, "False Negative": False}
_SHOWN = {"True Positive": "1", "False Negative": "1", "False Positive": "0", "True Negative": "0"}
_OWN = (*COLUMNS, "label", "first_read_arm")


@dataclass(frozen=True)
class CaseRow:
    """One line of the table."""

    line: int
    """Of the table, from 1."""
    example: str
    file: Path
    finding: str
    label_name: str
    label: str
    """"1" or "0", whether the radiograph shows the finding; by ``label_name`` where the table does not say."""
    details: Mapping[str, str]
    """What stands in the other columns."""


def read_case_table(path: Path) -> tuple[CaseRow, ...]:
    """The cases of a UTF-8 CSV table; files are named from where the table lies. Raises CaseTableError."""
    rows = read_csv(path, COLUMNS)
    if not rows:
        raise CaseTableError(f"{path.name} has no cases.")
    cases = [_read_row(path, line, row) for line, row in rows]
    seen: dict[str, int] = {}
    for case in cases:
        if case.example in seen:
            raise CaseTableError(
                f"{path.name}, line {case.line}: example {case.example} stands in line {seen[case.example]} already."
            )
        seen[case.example] = case.line
    missing = [case for case in cases if not case.file.is_file()]
    if missing:
        raise CaseTableError(
            f"{path.name}: {len(missing)} files are not there, the first of them in line {missing[0].line}: "
            f"{missing[0].file}."
        )
    return tuple(cases)


def read_csv(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """A table's rows with the numbers of their lines. Raises CaseTableError where it lacks any of ``columns``."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            reader = csv.DictReader(table, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise CaseTableError(f"{path.name} lacks the columns {', '.join(missing)}.")
            return [(reader.line_num, _whole(path, reader.line_num, row)) for row in reader]
    except OSError as error:
        raise CaseTableError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CaseTableError(f"{path.name} must be a UTF-8 table with commas.") from error


def check_prediction(row: CaseRow, explanation: Explanation) -> None:
    """Raise InvalidRequest where the model does not predict what the label says that it predicts."""
    called = _CALLED.get(row.label_name)
    score = prediction_of(explanation)
    if called is not None and called != (score >= explanation.operating_point):
        raise InvalidRequest(
            f"line {row.line} calls it a {row.label_name.lower()}, but the model's score for {row.finding} is "
            f"{score:.3f} and its operating point {explanation.operating_point:.3f}: mend the label or leave it out."
        )


def prediction_of(explanation: Explanation) -> float:
    """The score in [0, 1] that the classifier gives the radiograph itself for the finding explained."""
    return float(explanation.radiograph_scores[explanation.findings.index(explanation.finding)])


def _whole(path: Path, line: int, row: Mapping[str | None, str | list[str]]) -> dict[str, str]:
    if None in row:
        raise CaseTableError(f"{path.name}, line {line}: more cells than columns.")
    return {str(name): str(cell) for name, cell in row.items()}


def _read_row(path: Path, line: int, row: Mapping[str, str]) -> CaseRow:
    for name in COLUMNS:
        if not row[name].strip() or not row[name].isprintable():
            raise CaseTableError(f"{path.name}, line {line}: {name} must not be empty.")
    label_name = row["label_name"].strip()
    label = row.get("label", "") or _SHOWN.get(label_name, "")
    if label not in ("0", "1", "") or (label_name in _SHOWN and label != _SHOWN[label_name]):
        raise CaseTableError(
            f"{path.name}, line {line}: label must be 1 where the radiograph shows the finding and 0 where it does "
            "not, as label_name says."
        )
    return CaseRow(
        line=line,
        example=row["example"].strip(),
        file=path.parent / row["file"].strip(),
        finding=row["target"].strip(),
        label_name=label_name,
        label=label,
        details={name: cell for name, cell in row.items() if name not in _OWN},
    )
