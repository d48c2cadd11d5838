"""From a table of cases to a study: what is wrong is named, and nothing half made is left under the study's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cxrshift.errors import InvalidRequest
from cxrshift.study.building import Builder, StudyPlan
from cxrshift.study.case_table import check_prediction, read_case_table
from cxrshift.study.cases import list_cases, read_study
from cxrshift.study.database import Database
from cxrshift.study.design import Arms
from cxrshift.study.errors import CaseTableError, StudyFileError
from tests.study.studies import explain, make_rows

PLAN = StudyPlan("Hearts", Arms.BOTH, 3)
HEADER = "example,file,target,label_name\n"


def test_a_table_is_read_from_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    table = tmp_path / "cases.csv"
    table.write_text("\ufeffsite,example,file,target,label_name\nnorth, 1 ,a.png,Mass,False Positive\n", "utf-8")
    [row] = read_case_table(table)
    assert (row.example, row.file, row.finding, row.label, dict(row.details)) == (
        *("1", tmp_path / "a.png", "Mass", "0"),
        {"site": "north"},
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example,file,target\n", "lacks the columns label_name"),
        (HEADER, "has no cases"),
        (HEADER + "1,a.png,Mass,\n", "line 2: label_name must not be empty"),
        (HEADER + "1,a.png,Mass,x\n1,a.png,Mass,x\n", "line 3: example 1 stands in line 2 already"),
        (HEADER + "1,a.png,Mass,x\n2,b.png,Mass,x\n", "1 files are not there, the first of them in line 3"),
        (HEADER + "1,a.png,Mass,x,y\n", "line 2: more cells than columns"),
        ("example,file,target,label_name,label\n1,a.png,Mass,True Positive,0\n", "line 2: label must be 1"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(CaseTableError, match=words):
        read_case_table(tmp_path / "cases.csv")


def test_a_label_that_the_model_contradicts_is_refused(tmp_path: Path) -> None:
    [row] = make_rows(tmp_path, 1)
    explanation = explain()  # scores 0.81 of 0.5
    for label, fits in (
        ("True Positive", True),
        ("False Negative", False),
        ("True Negative", False),
        ("group B", True),
    ):
        if fits:
            check_prediction(replace(row, label_name=label), explanation)
        else:
            with pytest.raises(InvalidRequest, match=r"line 2 .* score for Cardiomegaly is 0\.809 .* 0\.500"):
                check_prediction(replace(row, label_name=label), explanation)


def test_what_was_gathered_outlives_a_stop_and_the_study_appears_whole(tmp_path: Path) -> None:
    rows, path = make_rows(tmp_path, 4), tmp_path / "study.sqlite"
    with Builder(path, "toy") as builder:
        for row in rows[:3]:
            builder.gather(row, explain(row.finding))
    assert not path.exists()
    with Builder(path, "another model") as builder:
        assert not any(map(builder.has, rows))
    with Builder(path, "toy") as builder:
        assert [builder.has(row) for row in rows] == [True, True, True, False]
        with pytest.raises(StudyFileError, match="case-3 is missing"):
            builder.finish(rows, PLAN)
    with Builder(path, "toy") as builder:  # a finish that failed undid itself
        rows[0].file.write_bytes(b"another radiograph")
        assert not builder.has(rows[0])
        for row in (rows[0], rows[3]):
            builder.gather(row, explain(row.finding))
        builder.finish(rows, PLAN)
    assert sorted(file.name for file in tmp_path.glob("study*")) == ["study.sqlite"]
    with Database(path) as database:
        assert [case.example for case in list_cases(database)] == [row.example for row in rows]
        assert read_study(database).seed == 3
        with database.reading() as connection:
            assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'gathered'").fetchone()
    with pytest.raises(StudyFileError, match="already there"):
        Builder(path, "toy")


def test_an_unfinished_study_is_not_opened_as_one(tmp_path: Path) -> None:
    with Builder(tmp_path / "study.sqlite", "toy") as builder:
        part = builder.part
    with Database(part) as database, pytest.raises(StudyFileError, match="not finished"):
        read_study(database)


def test_one_radiograph_twice_and_two_models_are_refused(tmp_path: Path) -> None:
    rows = make_rows(tmp_path, 2)
    twins = [rows[0], replace(rows[0], example="again", line=9)]
    other = replace(explain(), receipt=replace(explain().receipt, model_version="2.0"))
    with Builder(tmp_path / "study.sqlite", "toy") as builder:
        builder.gather(rows[0], explain())
        builder.gather(rows[1], other)
        with pytest.raises(CaseTableError, match="Lines 2 and 9 are the same radiograph and finding"):
            builder.finish(twins, PLAN)
        with pytest.raises(StudyFileError, match="different weights"):
            builder.finish(rows, PLAN)
    assert not (tmp_path / "study.sqlite").exists()
