"""Tables out and in again: exact, and what ``evaluate reader-study`` reads."""

from __future__ import annotations

import csv
import json
from itertools import cycle
from pathlib import Path

import pytest

from cxrshift.evaluation.reader_study import LATENT_SHIFT, StudyError, compare, read_readings
from cxrshift.study.admin import describe_results
from cxrshift.study.cases import list_cases, read_study
from cxrshift.study.database import Database
from cxrshift.study.design import Arms
from cxrshift.study.errors import CaseTableError, StudyTrouble
from cxrshift.study.readings import find_place, list_progress, list_readings, submit_answer
from cxrshift.study.records import Answer
from cxrshift.study.results import compute_results
from cxrshift.study.table_import import import_tables
from cxrshift.study.tables import make_tables
from cxrshift_api.json_codec import dump_json
from tests.study.studies import opened, read_all

HEADER = "example,reader,read,arm,target,label_name,confidence,correct_feature\n"
ROWS = HEADER + (
    "a,1,0,Traditional,Mass,True Positive,3,4\n"
    "a,1,1,Latent Shift,Mass,True Positive,5,4\n"
    "b,1,0,Latent Shift,Mass,False Positive,2,1\n"
    "b,1,1,Traditional,Mass,False Positive,1,1\n"
)


def write_tables(folder: Path, tables: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in tables.items():
        (folder / name).write_text(text, newline="")
    return folder


def test_the_papers_tables_show_the_papers_figures_and_come_back_to_the_byte(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "reader_study"
    with Database(tmp_path / "paper.sqlite", new=True) as database:
        import_tables(folder, database, "arXiv 2102.09475")
        assert read_study(database).arms is Arms.BOTH
        found = compute_results(list_readings(database))
        told = json.loads(dump_json(describe_results(found, power=0.8)))
        tables = make_tables(database)
    pooled = {
        one["label"]: f"{one['pairs']} {one['mean']:.4f} {one['sd']:.4f} {one['statistic']} {one['p']:.4g}"
        for one in told["comparisons"]
        if (one["finding"], one["question"]) == ("all", "confidence")
    }
    assert pooled == {
        "True Positive": "240 0.1500 0.9544 1233.5 0.01037",
        "False Positive": "240 0.0458 1.0616 2822.5 0.5793",
    }
    with (folder / "readings.csv").open(newline="") as table:
        given = list(csv.DictReader(table))
    back = list(csv.DictReader(tables["readings.csv"].splitlines()))
    assert [{name: row[name] for name in given[0]} for row in back] == given
    assert tables["trials.csv"] == (folder / "trials.csv").read_text()


def test_an_export_comes_in_and_out_again_unchanged(tmp_path: Path) -> None:
    words = cycle(["", "plain", 'with, comma and "quotes"', "two\nlines", "Überlagerung λ", "=1+1", " spaces "])
    with opened(tmp_path) as database:
        read_all(database, 1, lambda here: Answer(1 + here.position % 5, 5 - here.position % 5, next(words), 1.5))
        first = make_tables(database)
    with Database(tmp_path / "again.sqlite", new=True) as database:
        import_tables(write_tables(tmp_path / "first", first), database)
        assert make_tables(database) == first
        assert read_study(database).title == "Hearts"
    assert set(first) == {"readings.csv", "trials.csv", "readers.csv", "study.json"}
    assert json.loads(first["study.json"])["seed"] == 3


def test_readings_that_wait_for_their_other_arm_stand_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        for _ in range(11):
            here = find_place(database, 1)
            assert here is not None
            submit_answer(database, 1, here.ticket, Answer(4 if here.arm == LATENT_SHIFT else 2, 3, "", 1.0))
        tables = make_tables(database)
        found = compute_results(list_readings(database))
    folder = write_tables(tmp_path / "tables", tables)
    assert [one.pairs for one in compare(read_readings(folder)) if one.finding == "all"] == [
        one.pairs for one in found.comparisons if one.finding == "all"
    ]
    assert (len(read_readings(folder)), tables["unpaired.csv"].count("\n"), found.unpaired) == (6, 6, 5)
    assert {one.mean for one in found.comparisons if one.question == "confidence"} == {2.0}
    with Database(tmp_path / "again.sqlite", new=True) as database:
        import_tables(folder, database)
        assert make_tables(database) == {
            **tables,
            "readers.csv": "reader,done,cases,minutes,median_seconds\nR1,8 3,8,0.2,1.0\n",
        }


def test_a_study_of_one_arm_has_answers_and_nothing_to_compare(tmp_path: Path) -> None:
    with opened(tmp_path, arms=Arms.LATENT_SHIFT) as database:
        read_all(database, 1, lambda here: Answer(4, 2))
        found = compute_results(list_readings(database))
        folder = write_tables(tmp_path / "tables", make_tables(database))
    assert (found.readings, found.comparisons) == (8, ())
    assert {(one.arm, one.question, one.readings, one.mean, one.sd) for one in found.arms} == {
        (LATENT_SHIFT, "confidence", 4, 4.0, 0.0),
        (LATENT_SHIFT, "correct_feature", 4, 2.0, 0.0),
    }
    assert len(read_readings(folder)) == 8
    with pytest.raises(StudyError, match="lack a reading with one of the arms"):
        compare(read_readings(folder))


def test_readings_alone_are_enough(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tables", {"readings.csv": ROWS})
    with Database(tmp_path / "study.sqlite", new=True) as database:
        import_tables(folder, database)
        assert [(c.example, c.first_arm, c.has_pictures) for c in list_cases(database)] == [
            ("a", "Traditional", False),
            ("b", "Latent Shift", False),
        ]
        assert read_study(database).title == "tables"
        assert list_progress(database)[0].done == (2, 2)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "holds no readable readings.csv"),
        ({"readings.csv": HEADER}, "has no readings"),
        ({"readings.csv": ROWS.replace(",read,", ",round,")}, "lacks the columns read"),
        ({"readings.csv": ROWS.replace("a,1,1", "a,1,2")}, "line 3: read must be a whole number from 0 to 1"),
        ({"readings.csv": ROWS.replace("a,1,1", "a,1,0")}, "line 3: this reader read example a in that read already"),
        ({"readings.csv": ROWS.replace("1,1,Latent", "1,1,Latent").replace("5,4", "9,4")}, "confidence must be"),
        ({"readings.csv": ROWS.replace("Shift,Mass,True", "Shift,Nodule,True")}, "another finding or label"),
        ({"readings.csv": ROWS, "unpaired.csv": HEADER + "c,1,0,Both,Mass,x,1,1\n"}, "arm must be"),
        ({"readings.csv": ROWS, "trials.csv": "example,target,label,label_name,first_read_arm\n"}, "no example a"),
        ({"readings.csv": ROWS, "study.json": "{}"}, "study.json is not what"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(tmp_path: Path, tables: dict[str, str], words: str) -> None:
    folder = write_tables(tmp_path / "tables", tables)
    with (
        Database(tmp_path / "study.sqlite", new=True) as database,
        pytest.raises((StudyError, StudyTrouble), match=words),
    ):
        import_tables(folder, database)


def test_seconds_and_times_must_be_such(tmp_path: Path) -> None:
    for column, value in (("seconds", "-1"), ("seconds", "soon"), ("answered_at", "yesterday"), ("position", "0")):
        lines = [f"{line},{column if i == 0 else value}" for i, line in enumerate(ROWS.splitlines())]
        folder = write_tables(tmp_path / f"{column}{value}", {"readings.csv": "\n".join(lines) + "\n"})
        with (
            Database(tmp_path / f"{column}{value}.sqlite", new=True) as database,
            pytest.raises(CaseTableError, match=column),
        ):
            import_tables(folder, database)
