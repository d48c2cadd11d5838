"""Small studies for tests: explanations of ellipses, no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

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


def build_study(
    folder: Path, count: int = 8, *, arms: Arms = Arms.BOTH, seed: int = 3, washout_days: float = 0.0
) -> Path:
    """A study of ``count`` cases in ``folder``, made as any study is."""
    rows, path = make_rows(folder, count), folder / "study.sqlite"
    with Builder(path, "toy") as builder:
        for row in rows:
            builder.gather(row, explain(row.finding))
        builder.finish(rows, StudyPlan("Hearts", arms, seed, washout_days))
    return path


@dataclass(frozen=True)
class Template:
    """A study's file that tests may copy: making one, and each code, takes a while."""

    content: bytes
    codes: Mapping[str, str]
    """By name."""

    def copy_into(self, folder: Path) -> Path:
        """A copy of it, for its owner alone as a study is."""
        path = folder / "study.sqlite"
        path.touch(0o600)
        path.write_bytes(self.content)
        return path


@cache
def template(
    people: tuple[tuple[str, Role], ...] = (), *, count: int = 8, arms: Arms = Arms.BOTH, washout_days: float = 0.0
) -> Template:
    """A study with these people."""
    with TemporaryDirectory() as name:
        path = build_study(Path(name), count, arms=arms, washout_days=washout_days)
        with Database(path) as database:
            codes = {each: add_person(database, each, role).code for each, role in people}
        return Template(path.read_bytes(), codes)


def make_study(folder: Path, count: int = 8) -> Path:
    """A study of ``count`` cases in ``folder``, whom nobody reads yet."""
    return template(count=count).copy_into(folder)


@contextmanager
def opened(folder: Path, count: int = 8, *, arms: Arms = Arms.BOTH, washout_days: float = 0.0) -> Iterator[Database]:
    """A study with one reader, number 1."""
    made = template((("R1", Role.READER),), count=count, arms=arms, washout_days=washout_days)
    with Database(made.copy_into(folder)) as database:
        yield database


def read_all(database: Database, reader: int, answer: Callable[[Place], Answer]) -> list[Place]:
    """Let a reader answer everything; the places in their order."""
    places = []
    here = find_place(database, reader)
    while here is not None:
        places.append(here)
        here = submit_answer(database, reader, here.ticket, answer(here))
    return places
