"""A browser at a running study, without its pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from cxrshift.study.database import Database
from cxrshift.study.records import Role
from cxrshift.study.server import StudyAddress, StudyServer
from tests.study.studies import template

ANSWER = {"confidence": 4, "correct_feature": 2, "comment": "apex", "seconds": 3.5}


class Visitor(httpx.Client):
    """A client with cookies, of a study whose people and codes it knows."""

    database: Database
    codes: Mapping[str, str]

    def enter(self, name: str = "R1") -> Visitor:
        answer = self.post("/api/login", json={"code": self.codes[name]})
        assert answer.status_code == 200, answer.text
        return self


@contextmanager
def browsing(folder: Path, count: int = 4, *, washout_days: float = 0.0) -> Iterator[Visitor]:
    people = (("R1", Role.READER), ("R2", Role.READER), ("me", Role.ADMIN))
    made = template(people, count=count, washout_days=washout_days)
    with (
        Database(made.copy_into(folder)) as database,
        StudyServer(database, StudyAddress(port=0)) as server,
        Visitor(base_url=server.url, timeout=60.0) as visitor,
    ):
        visitor.database = database
        visitor.codes = made.codes
        yield visitor
