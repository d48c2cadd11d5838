"""Small studies for tests: explanations of ellipses, no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cxrshift.study.building import Builder, StudyPlan
from cxrshift.study.case_table import CaseRow
from cxrshift.study.database import Database
from cxrshift.study.design import Arms
from cxrshift.study.people import add_person
from cxrshift.study.readings import find_place, submit_answer
from cxrshift.study.records import Answer, Place, Role
from cxrshift_api.types import Explanation
from tests.render.examples import make_explanation, make_maps

LABELS = ("True Positive", "False Positive")
FINDINGS = ("Cardiomegaly", "Effusion")


def explain(finding: str = "Cardiomegaly") -> Explanation:
    """A small explanation with every map."""
    return make_maps(make_explanation(finding, frames=5, side=16))


def make_rows(folder: Path, count: int) -> list[CaseRow]:
    """Cases of two findings with two labels in turn, each with a file of its own."""
    rows = []
    for i in range(count):
        file = folder / f"film-{i}.png"
        file.write_bytes(f"picture {i}".encode())
        label = LABELS[i % 2]
        rows.append(CaseRow(i + 2, f"case-{i}", file, FINDINGS[i // 2 % 2], label, str(1 - i % 2), {"site": "north"}))
    return rows


def make_study(
    folder: Path, count: int = 8, *, arms: Arms = Arms.BOTH, seed: int = 3, washout_days: float = 0.0
) -> Path:
    """A study of ``count`` cases in ``folder``."""
    rows, path = make_rows(folder, count), folder / "study.sqlite"
    with Builder(path, "toy") as builder:
        for row in rows:
            builder.gather(row, explain(row.finding))
        builder.finish(rows, StudyPlan("Hearts", arms, seed, washout_days))
    return path


@contextmanager
def opened(folder: Path, count: int = 8, *, arms: Arms = Arms.BOTH, washout_days: float = 0.0) -> Iterator[Database]:
    """A study with one reader, number 1."""
    with Database(make_study(folder, count, arms=arms, washout_days=washout_days)) as database:
        add_person(database, "R1")
        yield database


def read_all(database: Database, reader: int, answer: Callable[[Place], Answer]) -> list[Place]:
    """Let a reader answer everything; the places in their order."""
    places = []
    here = find_place(database, reader)
    while here is not None:
        places.append(here)
        here = submit_answer(database, reader, here.ticket, answer(here))
    return places


def codes_of(database: Database, roles: Mapping[str, Role]) -> dict[str, str]:
    """Add people; their codes by name."""
    return {name: add_person(database, name, role).code for name, role in roles.items()}
