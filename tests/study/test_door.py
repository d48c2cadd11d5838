"""Who comes into a study, and what is refused to whom."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import httpx
import trustme

from cxrshift.study.database import Database
from cxrshift.study.records import Role
from cxrshift.study.server import StudyAddress, StudyServer
from cxrshift.study.tries import AT_ONCE
from tests.study.studies import template
from tests.study.visitors import ANSWER, Visitor


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


def test_a_revoked_reader_is_out_at_once(visitor: Visitor) -> None:
    from cxrshift.study.people import revoke_code

    visitor.enter()
    revoke_code(visitor.database, "R1")
    assert visitor.get("/api/case").status_code == 401


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
