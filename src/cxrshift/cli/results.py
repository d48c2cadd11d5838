"""What an evaluation found, as files: CSV tables, one JSON document, PNG figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool
Row: TypeAlias = Mapping[str, Cell]


def write_results(
    folder: Path,
    *,
    tables: Mapping[str, Sequence[Row]],
    documents: Mapping[str, Mapping[str, object]],
    figures: Mapping[str, bytes],
) -> tuple[Path, ...]:
    """Write all of it into ``folder``, which is made if it is not there; files of these names are replaced.

    A table's columns are those of its first row; what is not a number is empty in CSV and null in JSON. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {name: _to_csv(rows).encode() for name, rows in tables.items() if rows}
    contents |= {name: (json.dumps(document, indent=2) + "\n").encode() for name, document in documents.items()}
    contents |= figures
    for name, content in contents.items():
        part = folder / f".{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)  # a stop halfway leaves no half file
    return tuple(folder / name for name in contents)


def flat_row(record: object) -> dict[str, Cell]:
    """A frozen dataclass as a row: an interval ``iou`` becomes iou, iou_low and iou_high."""
    if not is_dataclass(record) or isinstance(record, type):
        raise TypeError("a row is made of a dataclass's instance")
    row: dict[str, Cell] = {}
    for name, value in asdict(record).items():
        if isinstance(value, dict):
            row |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        else:
            row[name] = value
    return row


def finite(members: Mapping[str, object]) -> dict[str, object]:
    """With what is not a number as null, for JSON has none."""
    read: dict[str, object] = json.loads(json.dumps(members), parse_constant=lambda constant: None)
    return read


def _to_csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if cell != cell else cell for name, cell in row.items()} for row in rows)
    return buffer.getvalue()
