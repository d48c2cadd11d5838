"""The study's web app as a browser meets it: what is told, what is kept, what is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cxrshift.evaluation.reader_study import LATENT_SHIFT, TRADITIONAL
from cxrshift.study.cases import list_cases
from cxrshift.study.people import list_people
from cxrshift.study.tables import make_tables
from tests.study.studies import explain
from tests.study.visitors import ANSWER, Visitor, browsing


def test_a_reader_is_told_nothing_of_label_name_or_other_arm(visitor: Visitor) -> None:
    visitor.enter()
    told, arms = [], {}
    while (place := visitor.get("/api/case")).json()["stage"] == "case":
        pictures = visitor.get("/api/case/pictures", params={"ticket": place.json()["ticket"]})
        told += [place.text, pictures.text]
        arms[place.json()["arm"]] = set(pictures.json())
        body = {**ANSWER, "ticket": place.json()["ticket"]}
        told.append(visitor.post("/api/case/answer", json=body).text)
    assert arms == {
        LATENT_SHIFT: {"radiograph", "frames", "zero_frame", "heatmap"},
        TRADITIONAL: {"radiograph", "maps"},
    }
    everything = "\n".join(told)
    secrets = {secret for case in list_cases(visitor.database) for secret in (case.example, case.label_name)}
    for secret in (*secrets, "label", "first_arm", "site", "north", "digest", "quality", "receipt"):
        assert secret not in everything
    assert {name for text in told if '"draft"' in text for name in json.loads(text)} == {
        *("stage", "ticket", "read", "reads", "position", "cases", "arm", "prediction", "draft"),
    }
    assert visitor.get("/api/case").json() == {"stage": "done", "reads": 2}


def test_pictures_are_the_explanations_own(visitor: Visitor) -> None:
    import base64

    visitor.enter()
    place = visitor.get("/api/case").json()
    pictures = visitor.get("/api/case/pictures", params={"ticket": place["ticket"]}).json()
    explanation = explain(place["prediction"]["finding"])
    named = {"radiograph": explanation.radiograph}
    if place["arm"] == LATENT_SHIFT:
        named["frames"] = explanation.frames
    for name, array in named.items():
        packed = pictures[name]
        np.testing.assert_array_equal(
            np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(packed["shape"]), array
        )
    assert visitor.get("/api/case/pictures", params={"ticket": "1.3"}).status_code == 409


def test_drafts_are_kept_and_another_window_is_told_that_it_is_late(visitor: Visitor) -> None:
    visitor.enter()
    ticket = visitor.get("/api/case").json()["ticket"]
    assert visitor.put("/api/case/draft", json={"ticket": ticket, "confidence": 5, "seconds": 2.5}).status_code == 204
    visitor.cookies.clear()
    visitor.enter()
    draft = visitor.get("/api/case").json()["draft"]
    assert draft == {"confidence": 5, "correct_feature": None, "comment": "", "seconds": 2.5}
    assert visitor.post("/api/case/answer", json={"ticket": ticket, **ANSWER}).json()["position"] == 2
    late = visitor.put("/api/case/draft", json={"ticket": ticket, "confidence": 1})
    assert late.status_code == 409
    assert "another window" in late.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"ticket": "0.0", "confidence": 6, "correct_feature": 1},
        {"ticket": "0.0", "confidence": True, "correct_feature": 1},
        {"ticket": "0.0", "confidence": 3.0, "correct_feature": 1},
        {"ticket": "0.0", "confidence": 3},
        {"ticket": "0.0", **ANSWER, "comment": 5},
        {"ticket": "0.0", **ANSWER, "comment": "\ud800"},
        {"ticket": "0.0", **ANSWER, "seconds": -1},
        {"ticket": "0.0", **ANSWER, "seconds": 1e300},
        {"ticket": 0, **ANSWER},
        ANSWER,
    ],
)
def test_answers_that_are_none_are_refused(visitor: Visitor, body: dict[str, object]) -> None:
    visitor.enter()
    refused = visitor.post("/api/case/answer", content=json.dumps(body), headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["detail"]
    assert visitor.get("/api/case").json()["position"] == 1


def test_bodies_that_are_none_are_refused(visitor: Visitor) -> None:
    visitor.enter()
    kind = {"content-type": "application/json"}
    for body, status in (
        (b"{", 400),
        (b"[]", 400),
        (b'"' + b"x" * 40_000 + b'"', 413),
        (b"[" * 30_000, 400),
        (b"\xff", 400),
    ):
        assert visitor.post("/api/case/answer", content=body, headers=kind).status_code == status


def test_between_the_reads_the_reader_is_sent_home(tmp_path: Path) -> None:
    with browsing(tmp_path, 2, washout_days=14.0) as visitor:
        visitor.enter()
        for ticket in ("0.0", "0.1"):
            place = visitor.post("/api/case/answer", json={"ticket": ticket, **ANSWER}).json()
        assert place["stage"] == "rest"
        assert set(place) == {"stage", "read", "reads", "cases", "until"}
        assert visitor.get("/api/case/pictures", params={"ticket": "1.0"}).status_code == 409
        assert visitor.put("/api/case/draft", json={"ticket": "1.0", "confidence": 1}).status_code == 409


def test_an_administrator_sees_progress_results_and_takes_the_tables(visitor: Visitor) -> None:
    visitor.enter("R1")
    while (place := visitor.get("/api/case").json())["stage"] == "case":
        answer = {**ANSWER, "confidence": 4 if place["arm"] == LATENT_SHIFT else 3}
        visitor.post("/api/case/answer", json={"ticket": place["ticket"], **answer})
    visitor.enter("me")
    progress = visitor.get("/api/admin/progress").json()
    assert (progress["cases"], progress["pairs"], progress["arms"], progress["seed"]) == (4, 4, "both", 3)
    assert [(r["name"], r["done"], r["median_seconds"]) for r in progress["readers"]] == [
        ("R1", [4, 4], 3.5),
        ("R2", [0, 0], None),
    ]
    results = visitor.get("/api/admin/results", params={"power": "0.9"}).json()
    assert (results["readings"], results["unpaired"], results["power"]) == (8, 0, 0.9)
    pooled = [one for one in results["comparisons"] if one["finding"] == "all"]
    assert [(one["mean"], one["p"] is None) for one in pooled] == [(1.0, False), (1.0, False), (0.0, True), (0.0, True)]
    assert [one["needed"] for one in pooled] == [0.0, 0.0, None, None]
    for power in ("2", "0.1", "x", "nan"):
        assert visitor.get("/api/admin/results", params={"power": power}).status_code == 400
    archive = zipfile.ZipFile(io.BytesIO(visitor.get("/api/admin/export.zip").content))
    assert {name: archive.read(name).decode() for name in archive.namelist()} == make_tables(visitor.database)
    assert len(list_people(visitor.database)) == 3


def test_a_fault_says_nothing_of_itself(visitor: Visitor) -> None:
    visitor.enter()
    with visitor.database.writing() as connection:
        connection.execute("UPDATE cases SET explanation = x'00ff'")
    broken = visitor.get("/api/case")
    assert broken.status_code == 503
    assert "damaged" not in broken.text


def test_a_fault_of_the_server_is_answered_safely_and_without_its_text(visitor: Visitor) -> None:
    visitor.enter()
    with visitor.database.writing() as connection:
        connection.execute("UPDATE cases SET details = 'no JSON'")
        connection.execute("UPDATE people SET role = 'admin' WHERE name = 'R1'")
    broken = visitor.get("/api/admin/export.zip")
    assert broken.status_code == 500
    assert broken.json() == {"detail": "A fault of the study's server; what was saved is safe."}
    assert broken.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
