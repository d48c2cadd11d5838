"""``cxrshift keys``, and what a key opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.gateway.access.api_keys import KeyRing
from cxrshift_api.types import Problem, ProblemCode
from tests.client.service import Answer, Request, Service, serve_grpc

runner = CliRunner()


def run(*arguments: str) -> str:
    result = runner.invoke(app, ["keys", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    text = run("create", "ward-platform", "--role", "classify", "--days", "30", "--file", str(file)).strip()
    other = run("create", "triage", "--file", str(file)).strip()
    assert KeyRing(file).find(text).name == "ward-platform"
    listed = [json.loads(line) for line in run("list", "--file", str(file), "--json").splitlines()]
    assert [(key["name"], key["roles"]) for key in listed] == [
        ("ward-platform", ["classify"]),
        ("triage", ["explain", "classify"]),
    ]
    assert text.split("_", 2)[2] not in run("list", "--file", str(file)) + file.read_text()
    run("revoke", listed[0]["id"], "--file", str(file))
    assert [key["name"] for key in map(json.loads, run("list", "--file", str(file), "--json").splitlines())] == [
        "triage"
    ]
    assert KeyRing(file).find(other).name == "triage"


def test_what_is_wrong_with_a_key_is_said(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    named = runner.invoke(app, ["keys", "create", "a\nb", "--file", str(file)])
    assert (named.exit_code, file.exists()) == (2, False)
    run("create", "triage", "--file", str(file))
    unknown = runner.invoke(app, ["keys", "revoke", "00000000", "--file", str(file)])
    assert unknown.exit_code == 2
    assert "no key 00000000" in unknown.stderr
    missing = runner.invoke(app, ["keys", "list", "--file", str(tmp_path / "none.toml")])
    assert missing.exit_code == 2
    assert missing.stderr.startswith(f"{tmp_path / 'none.toml'}: there is no such file of keys. cxrshift keys create")
    file.write_text("x = [")
    broken = runner.invoke(app, ["keys", "list", "--file", str(file), "--json"])
    assert (broken.exit_code, json.loads(broken.stdout)["problem"]["code"]) == (2, "SETTINGS")
    assert str(file) in broken.stderr


def test_a_key_is_made_and_revoked_as_json(tmp_path: Path) -> None:
    file = ["--file", str(tmp_path / "keys.toml"), "--json"]
    made = json.loads(runner.invoke(app, ["keys", "create", "ward", *file]).stdout)
    assert (made["name"], made["roles"]) == ("ward", ["explain", "classify"])
    assert made["key"].startswith(f"cxr_{made['id']}_")
    assert "sha256" not in made
    assert json.loads(runner.invoke(app, ["keys", "revoke", made["id"], *file]).stdout) == {"revoked": made["id"]}
    again = runner.invoke(app, ["keys", "revoke", made["id"], *file])
    assert (again.exit_code, json.loads(again.stdout)["problem"]["exit_code"]) == (2, 2)


def test_the_command_shows_what_its_token_file_holds_and_says_where_that_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: Request) -> Answer:
        return Problem(ProblemCode.FORBIDDEN, "This needs another role.")

    token = tmp_path / "token"
    token.write_text("cxr_00000000_secret\n")
    monkeypatch.setenv("CXRSHIFT_TOKEN_FILE", str(token))
    with serve_grpc(Service(refuse)) as service:
        refused = runner.invoke(app, ["models", "list", "--server", service.address])
        assert dict(service.headers[-1])["authorization"] == "Bearer cxr_00000000_secret"
        token.unlink()
        missing = runner.invoke(app, ["models", "list", "--server", service.address])
    assert refused.exit_code == 2
    assert "CXRSHIFT_TOKEN_FILE" in refused.stderr
    assert missing.exit_code == 1
    assert str(token) in missing.stderr
