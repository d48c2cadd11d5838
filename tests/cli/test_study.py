"""``cxrshift study`` from a table of cases to the statistics, with a small engine in process and no browser."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cxrshift.cli.app import app
from cxrshift.evaluation.reader_study import LATENT_SHIFT
from cxrshift.study.database import Database
from cxrshift.study.people import open_session
from cxrshift.study.records import Answer
from tests.cli.toy_model import make_model_folder
from tests.study.studies import make_study, opened, read_all

COMMAND = str(Path(sys.executable).with_name("cxrshift"))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["study", *map(str, arguments)])


def run(*arguments: object) -> str:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def write_cases(folder: Path, names: Sequence[str]) -> Path:
    """A table of films of noise, of two findings in turn; those called "bad" are no pictures."""
    rows = ["example,file,target,label_name,site"]
    for i, name in enumerate(names):
        noise = np.random.default_rng(i).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{name}.png")
        if name.startswith("bad"):
            (folder / f"{name}.png").write_bytes(b"no picture")
        rows.append(f"{i + 1},{name}.png,{('Effusion', 'Mass')[i % 2]},group {'AB'[i // 2 % 2]},north")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return folder / "cases.csv"


def test_a_bad_case_is_named_and_the_same_command_goes_on(tmp_path: Path) -> None:
    model = make_model_folder(tmp_path / "models")
    study = tmp_path / "study.sqlite"
    asked = (
        "create",
        write_cases(tmp_path, ["a", "b", "bad", "d"]),
        study,
        "--local",
        "-m",
        model,
        "--arms",
        "latent-shift",
    )
    stopped = invoke(*asked, "--json")
    assert stopped.exit_code == 1
    assert "bad.png: INVALID_IMAGE" in stopped.stderr
    assert "1 of 4 cases failed" in stopped.stderr
    assert not study.exists()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "bad.png")
    done = invoke(*asked, "--seed", 11, "--json")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["example"] for line in lines[:-1]] == ["3"]  # the others were kept
    assert lines[-1] == {"study": str(study), "cases": 4, "arms": "latent-shift", "seed": 11}
    again = invoke(*asked)
    assert (again.exit_code, "already there" in again.stderr) == (2, True)


def test_a_table_without_its_files_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    table = write_cases(tmp_path, ["a", "b"])
    (tmp_path / "b.png").unlink()
    refused = invoke("create", table, tmp_path / "study.sqlite", "--local")
    assert refused.exit_code == 2
    assert "line 3" in refused.stderr
    assert not list(tmp_path.glob("study*"))


def test_readers_get_codes_lose_them_and_get_others(tmp_path: Path) -> None:
    study = make_study(tmp_path, 4)
    code = run("readers", "add", study, "R1").strip()
    admin = json.loads(run("readers", "add", study, "me", "--admin", "--json"))
    assert re.fullmatch(r"\w{4}-\w{4}-\w{4}", code)
    assert admin["role"] == "admin"
    listed = run("readers", "list", study)
    assert code not in listed
    assert listed.splitlines() == ["R1                   reader", "me                   admin"]
    run("readers", "revoke", study, "R1")
    renewed = run("readers", "renew", study, "R1").strip()
    with Database(study) as database:
        assert open_session(database, code) is None
        assert open_session(database, renewed) is not None
    refused = invoke("readers", "add", study, "R1")
    assert (refused.exit_code, "There is a R1 already" in refused.stderr) == (2, True)
    assert "no R7" in invoke("readers", "revoke", study, "R7").stderr


def test_what_was_read_is_told_exported_and_evaluated(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        study = database.path
        read_all(database, 1, lambda here: Answer(4 if here.arm == LATENT_SHIFT else 1 + here.position % 3, 3, "", 6.0))
    assert run("progress", study).splitlines()[0] == "Hearts: 8 cases, both, seed 3"
    assert "read 1 8 of 8, read 2 8 of 8  2 min, median 6 s a case" in run("progress", study)
    assert json.loads(run("progress", study, "--json"))["readers"][0]["done"] == [8, 8]
    tables = tmp_path / "tables"
    assert json.loads(run("export", study, tables, "--json"))["files"] == [
        *("readers.csv", "readings.csv", "study.json", "trials.csv"),
    ]
    evaluated = CliRunner().invoke(app, ["evaluate", "reader-study", str(tables)])
    told = run("results", study, "--out", tmp_path / "out")
    assert evaluated.exit_code == 0
    assert evaluated.stdout.strip() in told
    assert told.startswith("16 readings, 0 of them without their other arm\n")
    comparisons = json.loads(run("results", study, "--power", 0.9, "--json"))["comparisons"]
    assert comparisons[0]["needed"] > 0
    with (tmp_path / "out/reader-study.csv").open(newline="") as table:
        assert [float(row["mean"]) for row in csv.DictReader(table)] == [one["mean"] for one in comparisons]
    assert (tmp_path / "out/reader-study.png").read_bytes().startswith(b"\x89PNG")


def test_tables_come_in_and_wrong_ones_leave_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, 4) as database:
        study = database.path
        read_all(database, 1, lambda here: Answer(3, 3))
    run("export", study, tmp_path / "tables")
    assert run("import", tmp_path / "tables", tmp_path / "again.sqlite").endswith("4 cases, 8 readings\n")
    assert run("results", tmp_path / "again.sqlite") == run("results", study)
    (tmp_path / "tables/readings.csv").write_text("example\n")
    refused = invoke("import", tmp_path / "tables", tmp_path / "wrong.sqlite")
    assert (refused.exit_code, "lacks the columns" in refused.stderr) == (2, True)
    assert not list(tmp_path.glob("wrong*"))


def test_a_study_without_pairs_says_that_there_is_nothing_to_compare(tmp_path: Path) -> None:
    study = make_study(tmp_path, 2)
    assert "nothing to compare" in run("results", study)
    assert "nothing to compare" in run("results", study, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out/reader-study.json").read_text())["comparisons"] == []


@pytest.mark.parametrize("command", ["serve", "progress", "results"])
def test_a_file_that_is_no_study_is_exit_code_2(tmp_path: Path, command: str) -> None:
    (tmp_path / "x").write_text("x")
    for file in ("x", "none"):
        refused = invoke(command, tmp_path / file)
        assert (refused.exit_code, file in refused.stderr) == (2, True)


def test_serve_answers_until_it_is_told_to_stop(tmp_path: Path) -> None:
    study = make_study(tmp_path, 2)
    command = [COMMAND, "study", "serve", str(study), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=dict(os.environ), **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready.startswith("ready: http://127.0.0.1:")
            answer = httpx.get(ready.removeprefix("ready: ").strip() + "api/session")
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert answer.json() == {"title": "Hearts", "role": None}
    assert process.returncode == 0
    assert "Nobody has a code yet" in errors
    refused = invoke("serve", study, "--tls-key", study)
    assert refused.exit_code == 2
