"""The study's web app as a browser meets it: who comes in, what is told, what is refused."""

from __future__ import annotations

import io
import json
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import trustme

from cxrshift.evaluation.reader_study import LATENT_SHIFT, TRADITIONAL
from cxrshift.study.cases import list_cases
from cxrshift.study.database import Database
from cxrshift.study.people import list_people
from cxrshift.study.records import Role
from cxrshift.study.server import StudyAddress, StudyServer
from cxrshift.study.tables import make_tables
from cxrshift.study.tries import AT_ONCE
from tests.study.studies import explain, template

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


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with browsing(tmp_path) as one:
        yield one


def test_nothing_is_told_to_who_has_no_code(visitor: Visitor) -> None:
    for path in (
        "/api/case",
        "/api/case/pictures",
        "/api/admin/progress",
        "/api/admin/results",
        "/api/admin/export.zip",
    ):
        assert visitor.get(path).status_code == 401
    assert visitor.post("/api/case/answer", json={"ticket": "0.0", **ANSWER}).status_code == 401
    assert visitor.put("/api/case/draft", json={"ticket": "0.0", **ANSWER}).status_code == 401
    assert visitor.get("/api/session").json() == {"title": "Hearts", "role": None}


def test_a_cookie_is_for_this_site_and_the_server_alone(visitor: Visitor) -> None:
    answer = visitor.post("/api/login", json={"code": visitor.codes["R1"]})
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
    assert "max-age" not in cookie
    assert visitor.codes["R1"] not in answer.text
    assert visitor.post("/api/logout", json={}).status_code == 204
    assert visitor.get("/api/case").status_code == 401


def test_wrong_codes_are_refused_and_then_made_to_wait(visitor: Visitor) -> None:
    for _ in range(AT_ONCE):
        assert visitor.post("/api/login", json={"code": "0000-0000-0000"}).status_code == 401
    waits = visitor.post("/api/login", json={"code": visitor.codes["R1"]})
    assert waits.status_code == 429
    assert 0 < int(waits.headers["retry-after"]) <= 20


def test_who_reads_does_not_administer_and_the_other_way_round(visitor: Visitor) -> None:
    visitor.enter("R1")
    assert visitor.get("/api/admin/export.zip").status_code == 403
    visitor.enter("me")
    assert visitor.get("/api/case").status_code == 403
    assert visitor.post("/api/case/answer", json={"ticket": "0.0", **ANSWER}).status_code == 403


def test_another_sites_page_changes_nothing(visitor: Visitor) -> None:
    visitor.enter()
    body = {"ticket": "0.0", **ANSWER}
    for headers in ({"origin": "http://evil.test"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        assert visitor.post("/api/case/answer", json=body, headers=headers).status_code == 403
    form = visitor.post("/api/case/answer", content=json.dumps(body), headers={"content-type": "text/plain"})
    assert form.status_code == 415
    assert visitor.get("/api/case").json()["position"] == 1
    own = {"origin": str(visitor.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert visitor.post("/api/case/answer", json=body, headers=own).status_code == 200


def test_pages_and_answers_carry_their_safety(visitor: Visitor) -> None:
    for path in ("/", "/admin", "/web/study/reader.js", "/web/common/theme.css"):
        page = visitor.get(path)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    answer = visitor.get("/api/session")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert visitor.get("/web/study/../../study/app.py").status_code == 404


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


def test_a_revoked_reader_is_out_at_once(visitor: Visitor) -> None:
    from cxrshift.study.people import revoke_code

    visitor.enter()
    revoke_code(visitor.database, "R1")
    assert visitor.get("/api/case").status_code == 401


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


def test_over_tls_the_cookie_never_leaves_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = tmp_path / "study.pem", tmp_path / "study.key"
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    made = template((("R1", Role.READER),), count=2)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    address = StudyAddress(port=0, certificate=certificate, key=key)
    with (
        Database(made.copy_into(tmp_path)) as database,
        StudyServer(database, address) as server,
        httpx.Client(base_url=server.url, verify=context, timeout=60.0) as visitor,
    ):
        assert server.url.startswith("https://127.0.0.1:")
        assert not server.is_exposed
        answer = visitor.post("/api/login", json={"code": made.codes["R1"]})
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert visitor.get("/api/case").json()["stage"] == "case"
