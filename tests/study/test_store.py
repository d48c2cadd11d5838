"""The study's file: drafts and answers, what a crash leaves, what another window may not do."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cxrshift.evaluation.reader_study import LATENT_SHIFT, TRADITIONAL
from cxrshift.study.cases import list_cases, read_explanation, read_study
from cxrshift.study.database import Database
from cxrshift.study.design import Arms
from cxrshift.study.errors import AnswerError, MovedOn, StudyFileError
from cxrshift.study.readings import (
    find_place,
    list_progress,
    list_readings,
    rest_until,
    save_draft,
    submit_answer,
)
from cxrshift.study.records import Answer
from tests.study.studies import explain, make_study, opened, read_all

FULL = Answer(4, 2, "apex", 12.5)


def test_explanations_come_back_bit_for_bit(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        for case in list_cases(database):
            kept, given = read_explanation(database, case.example), explain(case.finding)
            for name in ("frames", "heatmap", "radiograph", "lambdas", "scores", "radiograph_scores"):
                np.testing.assert_array_equal(getattr(kept, name), getattr(given, name))
            for ours, theirs in zip(kept.saliency, given.saliency, strict=True):
                np.testing.assert_array_equal(ours.values, theirs.values)
            assert (kept.receipt, kept.quality.warnings) == (given.receipt, given.quality.warnings)
        assert list_cases(database)[0].details == {"site": "north", "model": "phantom 1.0", "prediction": "0.808525"}


def test_a_draft_comes_back_and_an_answer_moves_on(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        first = find_place(database, 1)
        assert first is not None
        assert (first.read, first.position, first.cases, first.draft) == (0, 0, 8, Answer())
        save_draft(database, 1, first.ticket, Answer(5, None, "so far", 3.0))
        save_draft(database, 1, first.ticket, Answer(5, None, "so far on", 2.0))  # overtaken: seconds only grow
        kept = find_place(database, 1)
        assert kept is not None
        assert kept.draft == Answer(5, None, "so far on", 3.0)
        second = submit_answer(database, 1, first.ticket, FULL)
        assert second is not None
        assert (second.position, second.draft) == (1, Answer())
        assert [(one.answer, one.reader) for one in list_readings(database)] == [(FULL, "R1")]


def test_a_whole_study_shows_each_case_with_each_arm(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        places = read_all(database, 1, lambda place: FULL)
        assert len({(p.example, p.arm) for p in places}) == len(places) == 16
        assert [p.read for p in places] == [0] * 8 + [1] * 8
        assert find_place(database, 1) is None
        [progress] = list_progress(database)
        assert (progress.done, progress.cases, progress.seconds, progress.median_seconds) == ((8, 8), 8, 200.0, 12.5)


def test_another_window_cannot_answer_what_was_left(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        here = find_place(database, 1)
        assert here is not None
        after = submit_answer(database, 1, here.ticket, FULL)
        assert submit_answer(database, 1, here.ticket, FULL) == after  # the same again: its first reply was lost
        with pytest.raises(MovedOn):
            submit_answer(database, 1, here.ticket, Answer(1, 1))
        for ticket in (here.ticket, "0.2", "1.0", "", "0.1 "):
            with pytest.raises(MovedOn):
                save_draft(database, 1, ticket, Answer(1))
        assert [one.answer for one in list_readings(database)] == [FULL]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, 3),
        Answer(6, 3),
        Answer(3, None),
        Answer(None, 3),
        Answer(3, 3, "x" * 4001),
        Answer(3, 3, "", math.nan),
    ],
)
def test_an_answer_out_of_range_or_incomplete_is_refused(tmp_path: Path, answer: Answer) -> None:
    with opened(tmp_path, 2) as database:
        with pytest.raises(AnswerError):
            submit_answer(database, 1, "0.0", answer)
        assert list_readings(database) == ()


def test_the_file_itself_refuses_a_submitted_answer_without_its_numbers(tmp_path: Path) -> None:
    with opened(tmp_path, 2) as database, pytest.raises(sqlite3.IntegrityError), database.writing() as connection:
        connection.execute("UPDATE showings SET submitted = 1")


def test_the_second_read_waits_for_the_washout(tmp_path: Path) -> None:
    with opened(tmp_path, 2, washout_days=28.0) as database:
        days = read_study(database).washout_days
        for _ in range(2):
            here = find_place(database, 1)
            assert here is not None
            assert rest_until(database, 1, here, days) is None
            submit_answer(database, 1, here.ticket, FULL)
        here = find_place(database, 1)
        assert here is not None
        until, last = rest_until(database, 1, here, days), list_progress(database)[0].last_at
        assert until is not None
        assert last is not None
        assert until - last == pytest.approx(28 * 86_400)
        with database.writing() as connection:
            connection.execute("UPDATE showings SET saved_at = saved_at - 28 * 86400.0 WHERE submitted")
        assert rest_until(database, 1, here, days) is None


def test_answers_survive_a_process_that_is_killed_between_them(tmp_path: Path) -> None:
    path = make_study(tmp_path)
    program = f"""
import os, signal
from pathlib import Path
from cxrshift.study.database import Database
from cxrshift.study.people import add_person
from cxrshift.study.readings import find_place, save_draft, submit_answer
from cxrshift.study.records import Answer
database = Database(Path({str(path)!r}))
add_person(database, "R1")
for n in range(5):
    submit_answer(database, 1, find_place(database, 1).ticket, Answer(1 + n, 5 - n, str(n), n + 0.5))
save_draft(database, 1, find_place(database, 1).ticket, Answer(2, None, "half", 7.0))
transaction = database.writing()
connection = transaction.__enter__()
connection.execute("UPDATE showings SET comment = 'never'")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == -9
    with Database(path) as database:
        readings = sorted(list_readings(database), key=lambda one: one.position)
        assert [one.answer for one in readings] == [Answer(1 + n, 5 - n, str(n), n + 0.5) for n in range(5)]
        here = find_place(database, 1)
        assert here is not None
        assert (here.position, here.draft) == (5, Answer(2, None, "half", 7.0))


def test_a_study_is_open_in_two_processes_at_once(tmp_path: Path) -> None:
    with opened(tmp_path, 2) as database, Database(database.path) as other:
        save_draft(database, 1, "0.0", Answer(3))
        save_draft(other, 1, "0.0", Answer(4))
        here = find_place(database, 1)
        assert here is not None
        assert here.draft.confidence == 4


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE study (id)")
    connection.close()
    text = tmp_path / "text"
    text.write_text("no database at all, but long enough to be taken for one: " + "x" * 600)
    for path in (other, text, tmp_path / "none.sqlite", tmp_path):
        with pytest.raises(StudyFileError):
            Database(path)
    with pytest.raises(StudyFileError, match="already there"):
        Database(other, new=True)
    assert (make_study(tmp_path).stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize(("arms", "arm"), [(Arms.LATENT_SHIFT, LATENT_SHIFT), (Arms.TRADITIONAL, TRADITIONAL)])
def test_a_study_of_one_arm_is_read_once(tmp_path: Path, arms: Arms, arm: str) -> None:
    with opened(tmp_path, arms=arms) as database:
        assert {place.arm for place in read_all(database, 1, lambda place: FULL)} == {arm}
        assert list_progress(database)[0].done == (8,)
