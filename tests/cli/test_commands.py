"""The other commands, and the command as a process."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.cli.evaluate.phantom import report_lines, report_to_json
from cxrshift.cli.exits import describe
from cxrshift.cli.options import HeatmapName, ProfileName, SaliencyName
from cxrshift.evaluation.phantom import FindingReport, PhantomReport, Share
from cxrshift.phantom import FINDINGS
from cxrshift_api.types import ClassifyRequest, HeatmapKind, Profile, SaliencyKind
from tests.cli.toy_model import make_model_folder
from tests.client.service import Answer, Request, Service, plain_answer, serve_grpc

COMMAND = [str(Path(sys.executable).with_name("cxrshift"))]
COMMANDS = [
    [],
    ["explain"],
    ["classify"],
    ["serve"],
    ["models"],
    ["models", "list"],
    ["models", "pull"],
    ["models", "import"],
    ["models", "build"],
    ["torchserve"],
    ["keys"],
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "revoke"],
    ["pacs"],
    ["pacs", "serve"],
    ["pacs", "status"],
    ["pacs", "retry"],
    ["pacs", "send"],
    ["pacs", "fetch"],
    ["evaluate"],
    ["evaluate", "phantom"],
    ["evaluate", "reader-study"],
    ["evaluate", "localisation"],
    ["evaluate", "faithfulness"],
    ["study"],
    ["study", "create"],
    ["study", "readers"],
    ["study", "readers", "add"],
    ["study", "readers", "list"],
    ["study", "readers", "renew"],
    ["study", "readers", "revoke"],
    ["study", "serve"],
    ["study", "progress"],
    ["study", "results"],
    ["study", "export"],
    ["study", "import"],
    ["train"],
    ["train", "autoencoder"],
    ["train", "classifier"],
]


def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_its_version() -> None:
    done = run_process("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == CliRunner().invoke(app, ["--version"]).stdout == f"cxrshift {version('cxrshift')}\n"


def test_a_terminal_sees_a_bar_that_is_gone_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"any")
    with serve_grpc(Service()) as service:
        command = [*COMMAND, "classify", "a.png", "gone.png", "--server", service.address]
        controller, terminal = os.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
        process = subprocess.Popen(command, stdout=terminal, stderr=terminal, cwd=tmp_path, env=environment)
        os.close(terminal)
        seen = b""
        with os.fdopen(controller, "rb", buffering=0) as screen, suppress(OSError):  # Linux ends a terminal with EIO
            while chunk := screen.read(4096):
                seen += chunk
        assert process.wait(timeout=60) == 1
    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())
    assert "classifying" in text
    assert "a.png   Mass 0.25" in text
    assert "file 2 of 2, gone.png" in text
    assert "classifying" not in text.rpartition("\x1b[2K")[2]


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """A run in the background ignores SIGINT, and so would its children; what is handled here they have as usual."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
def test_ctrl_c_ends_the_command_while_the_service_is_still_at_work(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"any")
    asked, enough = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer:
        if isinstance(request, ClassifyRequest):
            asked.set()
            enough.wait(60)
        return plain_answer(request)

    with serve_grpc(Service(answer)) as service:
        command = [*COMMAND, "classify", "a.png", "--server", service.address]
        with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path) as process:
            try:
                assert asked.wait(60)
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
            finally:
                process.kill()
                enough.set()
    assert (process.returncode, b"Traceback" in errors) == (130, False)


def test_a_wrong_option_is_exit_code_2() -> None:
    done = run_process("explain", "chest.png", "--profile", "both")
    assert done.returncode == 2
    assert "two-sided" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout


def test_help_starts_without_the_heavy_libraries() -> None:
    program = """
import sys
sys.argv = ["cxrshift", "--help"]
from cxrshift.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in ("torch", "numpy", "grpc", "matplotlib", "httpx", "PIL") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_local_without_torch_says_what_to_install(tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["torch"] = None
sys.argv = ["cxrshift", "classify", "x.png", "--local", "--model", {str(tmp_path)!r}]
from cxrshift.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    remedy = "pip install 'cxrshift[bridge,onnx,server,train,xrv]' has everything."
    assert done.stderr == f"This needs torch, which is not installed: {remedy}\n"


def test_a_name_that_is_not_text_breaks_no_output(tmp_path: Path) -> None:
    with serve_grpc(Service()) as service:
        command = [*map(os.fsencode, COMMAND), b"classify", b"r\xf6ntgen.png", b"--server", service.address.encode()]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=False)
        told = subprocess.run([*command, b"--json"], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert b"file 1 of 1, r?ntgen.png: INVALID_REQUEST" in done.stderr
    assert os.fsencode(json.loads(told.stdout)["file"]) == b"r\xf6ntgen.png"


def test_without_the_extras_the_command_says_what_to_install() -> None:
    program = "import sys; sys.modules['typer'] = None; from cxrshift.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'cxrshift[cli]'" in done.stderr


def test_the_names_that_options_take_are_those_of_the_contract() -> None:
    assert get_args(ProfileName) == tuple(Profile)
    assert get_args(HeatmapName) == tuple(HeatmapKind)
    assert [(name.name, name.value) for name in SaliencyName] == [(kind.name, kind.value) for kind in SaliencyKind]


def test_installed_models_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model_folder(tmp_path)
    monkeypatch.setenv("CXRSHIFT_MODEL_STORE", str(tmp_path))
    done = CliRunner().invoke(app, ["models", "list"])
    assert done.exit_code == 0
    assert (
        f"toy  version 0.1, 32 pixels  {tmp_path}/toy\n  Random weights.\n  2 findings: Effusion, Mass\n" in done.stdout
    )


def test_a_mistyped_model_is_told_with_the_one_that_is_meant() -> None:
    done = CliRunner().invoke(app, ["models", "check", "phantm"])
    assert (done.exit_code, done.stderr.startswith("No model named phantm is installed. Do you mean phantom?")) == (
        2,
        True,
    )


@pytest.mark.parametrize("command", ["serve", "torchserve"])
def test_a_port_that_is_taken_is_told_before_anything_is_started(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = CliRunner().invoke(app, [command, "-m", "phantom", "--rest-port", str(number), "--json"])
    problem = json.loads(done.stdout)["problem"]
    assert (done.exit_code, problem["code"], problem["exit_code"]) == (1, "NOT_STARTED", 1)
    assert f"Port {number} for REST: taken by" in problem["message"]
    assert "--rest-port N" in problem["message"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EACCES, "change its permissions"),
        (errno.EEXIST, "A folder is needed there"),
        (errno.EIO, ""),
    ],
)
def test_what_the_system_refuses_is_told_with_the_place_and_a_remedy(number: int, told: str) -> None:
    code, line, exit_code = describe(OSError(number, os.strerror(number), "/some/where"))
    assert (code, exit_code) == ("FILE", 1)
    assert line.startswith(f"/some/where: {os.strerror(number)}")
    assert told in line


def test_served_models_are_listed() -> None:
    with serve_grpc(Service()) as service:
        done = CliRunner().invoke(app, ["models", "list", "--server", service.address, "--json"])
    told = json.loads(done.stdout)
    assert (told["name"], told["default"], told["place"]) == ("phantom", True, service.address)


def test_models_of_a_service_that_is_not_there_are_exit_code_3() -> None:
    done = CliRunner().invoke(app, ["models", "list", "--server", "http://127.0.0.1:9"])
    assert done.exit_code == 3
    assert "No service answers at http://127.0.0.1:9." in done.stderr
    assert "--local" not in done.stderr  # it has no such option


def test_a_model_is_built_into_what_torchserve_loads(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "models")
    done = CliRunner().invoke(app, ["models", "build", str(folder), "--out", str(tmp_path / "store"), "--workers", "2"])
    assert done.exit_code == 0
    assert "minWorkers: 2" in (tmp_path / "store/toy/model-config.yaml").read_text("utf-8")
    told = [line for line in done.output.splitlines() if line.startswith("  toy in ")]
    assert all(" ms a row" in line for line in told)
    assert {line.split()[2].rstrip(",") for line in told} >= {"torch", "torch-graph", "onnxruntime", "openvino"}
    assert sum(line.endswith("<- fastest") for line in told) == 1


def test_a_model_is_built_for_one_runtime_without_measuring_any(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "models")
    asked = ["--runtime", "openvino", "--precision", "float32", "--no-measure"]
    done = CliRunner().invoke(app, ["models", "build", str(folder), "--out", str(tmp_path / "store"), *asked])
    assert done.exit_code == 0
    assert "ms a row" not in done.output
    assert 'runtime: "openvino"' in (tmp_path / "store/toy/model-config.yaml").read_text("utf-8")


def test_a_folder_that_is_no_model_is_a_usage_error(tmp_path: Path) -> None:
    for command in (["models", "build", str(tmp_path), "--out", str(tmp_path)], ["serve", "--model", "no-such"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 2
        assert "model" in done.stderr


def test_a_released_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "some.pt"
    file.write_bytes(b"not a weight file")
    arguments = ["--classifier", str(file), "--autoencoder", str(file), "--out", str(tmp_path / "out")]
    for name in ("xrv-densenet121-res224-all", "xrv-nothing"):
        done = CliRunner().invoke(app, ["models", "import", name, *arguments])
        assert done.exit_code == 2
        assert done.stderr.strip()
    pulled = CliRunner().invoke(app, ["models", "pull", "xrv-nothing"])
    assert pulled.exit_code == 2


FINDING = FindingReport("Mass", 0.97, Share(9, 10), Share(0, 0), Share(3, 4), 0.41)
REPORT = PhantomReport("phantom", "1.0", 20, 3, 0.9, 40.0, (FINDING,))


def test_a_report_is_told_with_counts_and_without_nan() -> None:
    told = report_to_json(REPORT)
    assert told["pooled"] == {
        "dropped": {"share": 0.9, "reached": 9, "total": 10},
        "raised": {"share": None, "reached": 0, "total": 0},
        "pointed": {"share": 0.75, "reached": 3, "total": 4},
    }
    assert json.loads(json.dumps(told, allow_nan=False))["findings"][0]["auroc"] == 0.97
    lines = report_lines(REPORT)
    assert lines[0] == "phantom 1.0, 20 phantoms of seed 3: SSIM 0.900, MAE 40.0"
    assert lines[2].split() == ["Mass", "0.970", "90.0%", "-", "75.0%", "0.410"]
    assert lines[3].split() == ["all", "90.0%", "-", "75.0%"]
    assert report_lines(replace(REPORT, refused=2))[4].startswith("refused: 2 explanations")


def test_a_model_that_does_not_know_the_phantoms_findings_is_refused(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, findings=("Gout",))
    done = CliRunner().invoke(app, ["evaluate", "phantom", "--n", "1", "--model", str(folder)])
    assert done.exit_code == 2
    assert "Cardiomegaly" in done.stderr


def test_phantoms_are_evaluated_and_told_as_json(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, findings=FINDINGS)
    command = ["evaluate", "phantom", "--n", "2", "--seed", "1", "--workers", "1", "--model", str(folder), "--json"]
    command += ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["phantoms"], told["seed"]) == (2, 1)
    assert [finding["finding"] for finding in told["findings"]] == list(FINDINGS)
    assert json.loads((tmp_path / "out/phantom.json").read_text()) == told
    assert (tmp_path / "out/phantom.csv").read_text().startswith("finding,auroc,dropped,dropped_reached,dropped_total,")
    assert (tmp_path / "out/phantom.png").read_bytes().startswith(b"\x89PNG")


STUDY = (
    "example,reader,arm,target,label_name,confidence,correct_feature\n"
    "1,1,Latent Shift,Mass,True Positive,5,4\n"
    "1,1,Traditional,Mass,True Positive,3,4\n"
    "2,1,Latent Shift,Mass,True Positive,4,2\n"
    "2,1,Traditional,Mass,True Positive,3,2\n"
)


def test_evaluate_reader_study_prints_a_table_or_json(tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text(STUDY)
    printed = CliRunner().invoke(app, ["evaluate", "reader-study", str(tmp_path)])
    assert printed.exit_code == 0
    assert "confidence, true positives: Latent Shift minus traditional" in printed.stdout
    assert re.search(r"^Mass +2 +\+1\.5000 +0\.5000", printed.stdout, re.MULTILINE)
    told = CliRunner().invoke(app, ["evaluate", "reader-study", str(tmp_path), "--json"])
    comparisons = json.loads(told.stdout)["comparisons"]
    assert [c["mean"] for c in comparisons] == [1.5, 1.5, 0.0, 0.0]
    assert comparisons[2]["p"] is None  # no pair differs: there is nothing to test


def test_evaluate_reader_study_writes_table_document_and_figure(tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text(STUDY)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["evaluate", "reader-study", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == f"written to {out}"
    assert {path.name for path in out.iterdir()} == {f"reader-study.{kind}" for kind in ("csv", "json", "png")}
    lines = (out / "reader-study.csv").read_text().splitlines()
    assert lines[1].startswith("all,True Positive,confidence,2,1.5,0.5,")
    assert lines[3].startswith("all,True Positive,correct_feature,2,0.0,0.0,,,0,")
    assert json.loads((out / "reader-study.json").read_text())["comparisons"][2]["p"] is None
    assert (out / "reader-study.png").read_bytes().startswith(b"\x89PNG")


def test_a_reader_study_without_its_table_is_exit_code_2(tmp_path: Path) -> None:
    done = run_process("evaluate", "reader-study", str(tmp_path))
    assert done.returncode == 2
    assert "readings.csv" in done.stderr
