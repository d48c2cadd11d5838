"""``cxrshift pacs``: what a person sees of the bridge, and errands to a real archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.pacs.bridge.spool import Spool
from tests.orthanc import AE_TITLE, Orthanc
from tests.pacs.bridge.examples import make_arrival
from tests.pacs.bridge.process import BridgeProcess
from tests.pacs.films import film

CONFIG = """
spool = { folder = "spool" }
scp = { port = 0, callers = ["*"] }
metrics = { port = 0 }
destinations = { archive = { kind = "dimse", host = "127.0.0.1", port = 9, ae_title = "X" } }
rules = [{ name = "films", send_to = ["archive"] }]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["pacs", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_status_shows_the_queue_and_the_dead_letters_and_retry_puts_them_back(config: Path) -> None:
    assert run("status", config)[0] == 2
    folder = config.parent / "spool"
    with Spool(folder) as spool:
        for number in range(3):
            spool.receive(make_arrival(number), "films")
        first, second, _ = spool.due(10)
        spool.bury(first, "The DICOM file is malformed.")
        spool.postpone(second, "The model's queue is full; come back later.", 60.0)
    code, out, err = run("status", config)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "waiting 2  explained 0  done 0  ignored 0  dead 1"
    assert lines[1].startswith("the oldest has waited for ")
    assert any(line.startswith(f"{first.digest[:12]}  dead ") and "malformed" in line for line in lines)
    assert any(f"{second.digest[:12]}  waiting " in line and "1 failed" in line for line in lines)

    told = json.loads(run("status", config, "--json")[1])
    assert told["counts"] == {"waiting": 2, "explained": 0, "done": 0, "ignored": 0, "dead": 1}
    assert {job["name"] for job in told["troubled"]} == {first.digest, second.digest}

    assert run("retry", config, "0000000000")[0] == 1
    assert run("retry", config, first.digest[:8])[:2] == (0, "1 put back\n")
    assert run("status", config)[0] == 0


def test_a_wrong_file_is_told_by_place(config: Path) -> None:
    config.write_text(CONFIG.replace('["archive"]', '["elsewhere"]'))
    for command in ("serve", "status", "retry"):
        code, _, err = run(command, config)
        assert code == 2
        assert "send_to names what is not among destinations: elsewhere" in err


def test_a_bridge_stops_when_told_to(config: Path, tmp_path: Path) -> None:
    log = tmp_path / "bridge.log"
    bridge = BridgeProcess(config, log)
    bridge.start()
    assert run("serve", config)[0] == 2  # its spool is taken
    assert bridge.stop() == 0
    assert "ready: DIMSE CXRSHIFT at 127.0.0.1:" in log.read_text()
    assert '"event": "stopped"' in log.read_text()
    audit = (tmp_path / "spool/audit.xml").read_text()
    assert audit.count("Application Start") == audit.count("Application Stop") == 1


@pytest.mark.parametrize("way", ["dimse", "stow"])
def test_files_are_sent_to_an_archive_and_a_study_is_fetched(tmp_path: Path, way: str) -> None:
    (tmp_path / "a.dcm").write_bytes(film(1))
    (tmp_path / "b.txt").write_text("no DICOM")
    with Orthanc(tmp_path / "orthanc") as archive:
        to = f"127.0.0.1:{archive.dicom_port}" if way == "dimse" else archive.dicom_web
        code, out, err = run("send", tmp_path / "a.dcm", tmp_path / "b.txt", "--to", to, "--called", AE_TITLE)
        assert code == 1
        assert out == f"{tmp_path / 'a.dcm'}: stored\n"
        assert err.startswith(f"{tmp_path / 'b.txt'}: The bytes are no DICOM file.")

        code, out, _ = run("fetch", archive.dicom_web, "1.2.1.1", "--out", tmp_path / "study")
        assert (code, out) == (0, f"{tmp_path / 'study/1.2.1.3.dcm'}\n")
        assert dcmread(tmp_path / "study/1.2.1.3.dcm") == dcmread(tmp_path / "a.dcm")
        code, _, err = run("fetch", archive.dicom_web, "9.9.9", "--out", tmp_path / "none")
        assert code == 2
        assert err == "The archive does not have this study.\n"


def test_an_address_that_is_none_is_refused() -> None:
    code, _, err = run("send", "a.dcm", "--to", "somewhere")
    assert code == 2
    assert "write HOST:PORT or a URL" in err


def test_a_file_that_cannot_be_sent_costs_the_others_nothing(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("no DICOM")
    code, out, err = run("send", tmp_path / "gone.dcm", tmp_path / "b.txt", "--to", "127.0.0.1:9", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, [each["file"] for each in told]) == (1, [f"{tmp_path}/gone.dcm", f"{tmp_path}/b.txt"])
    assert [each["problem"]["message"] for each in told] == [
        "No such file or directory.",
        "The bytes are no DICOM file.",
    ]
    assert err.splitlines()[0] == f"{tmp_path}/gone.dcm: No such file or directory."


def test_an_archive_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    code, out, err = run(
        "fetch", "http://me:secret@127.0.0.1:9/dicom-web", "1.2.3", "--out", tmp_path / "out", "--json"
    )
    problem = json.loads(out)["problem"]
    assert (code, problem["exit_code"]) == (2, 2)
    assert problem["message"].startswith("No DICOMweb service answers at http://127.0.0.1:9/dicom-web;")
    assert "secret" not in out + err
