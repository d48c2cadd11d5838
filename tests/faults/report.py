"""What the fault tests measured, in one file that docs/reliability.md quotes: ``out/faults/report.json`` and ``.md``.

``CXRSHIFT_FAULTS_OUT`` names another folder.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.reporting import describe_machine, say_machine
from tests.faults.load import Summary


@dataclass(frozen=True)
class Line:
    """One fault and what callers felt of it."""

    fault: str
    summary: Summary | None
    normal_after: float | None
    """Seconds from the end of the fault until every question was answered rightly again."""
    note: str = ""


@dataclass
class Report:
    """Written anew after each line, so that a run that is cut short leaves what it has."""

    folder: Path = field(default_factory=lambda: Path(os.environ.get("CXRSHIFT_FAULTS_OUT", "out/faults")))
    lines: list[Line] = field(default_factory=list)

    def add(
        self, fault: str, summary: Summary | None = None, *, normal_after: float | None = None, note: str = ""
    ) -> None:
        """One more line; all of them are written."""
        self.lines.append(Line(fault, summary, normal_after, note))
        machine = describe_machine()
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {"machine": asdict(machine), "faults": [asdict(line) for line in self.lines]}
        (self.folder / "report.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        table = [_HEAD, _RULE, *map(to_row, self.lines), "", say_machine(machine)]
        (self.folder / "report.md").write_text("\n".join(table) + "\n", "utf-8")


_COLUMNS = (
    *("fault", "calls", "answered rightly", "told to come back", "lost", "wrong"),
    *("longest, s (deadline)", "normal after, s", ""),
)
_HEAD = f"| {' | '.join(_COLUMNS)} |"
_RULE = "|---" * len(_COLUMNS) + "|"


def to_row(line: Line) -> str:
    """A row of the table."""
    after = "" if line.normal_after is None else f"{line.normal_after:.1f}"
    s = line.summary
    if s is None:
        return f"| {line.fault} | | | | | | | {after} | {line.note} |"
    told = ", ".join(f"{status} {count}" for status, count in sorted(s.told.items())) or "0"
    lost = ", ".join(f"{status} {count}" for status, count in sorted(s.lost.items())) or "0"
    longest = f"{s.longest:.1f} ({s.deadline:.0f})"
    return (
        f"| {line.fault} | {s.calls} | {s.answered} | {told} | {lost} | {s.wrong} | {longest} | {after} | {line.note} |"
    )
