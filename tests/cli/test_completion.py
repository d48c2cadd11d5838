"""What a shell completes: commands, options and values, without the heavy libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.cli.options import PRECISIONS, RUNTIMES
from tests.cli.toy_model import make_model_folder


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model_folder(tmp_path / "store", "toy", ("Effusion", "Edema", "Support Device"))
    monkeypatch.setenv("CXRSHIFT_MODEL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("CXRSHIFT_DATA_HOME", str(tmp_path / "data"))


def complete(line: str, shell: str = "bash") -> list[str]:
    """What is offered for a command line that ends at the cursor."""
    words = line.split(" ")
    asked = {
        "_CXRSHIFT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = CliRunner().invoke(app, [], prog_name="cxrshift", env=asked)
    return [offered for offered in done.stdout.splitlines() if offered]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("cxrshift do", ["doctor"]),
        ("cxrshift models ch", ["check"]),
        ("cxrshift explain --prof", ["--profile"]),
        ("cxrshift explain --profile t", ["two-sided"]),
        ("cxrshift explain --heatmap ", ["max", "mean", "first-to-last", "integrated"]),
        ("cxrshift explain --saliency in", ["input-gradient", "integrated-gradients"]),
        ("cxrshift serve --runtime ", list(RUNTIMES)),
        ("cxrshift serve --precision ", list(PRECISIONS)),
        ("cxrshift serve --model ", ["cxr-small", "phantom", "toy"]),
        ("cxrshift models build t", ["toy"]),
        ("cxrshift models import x.onnx --autoencoder p", ["phantom"]),
        ("cxrshift evaluate phantom -m p", ["phantom"]),
        ("cxrshift explain --finding Card", ["Cardiomegaly"]),
        ("cxrshift explain -m toy --finding ", ["Effusion", "Edema", r"Support\ Device"]),
        ("cxrshift explain -m toy --finding E", ["Effusion", "Edema"]),
        ("cxrshift explain -m toy --finding Edema --finding ", ["Effusion", r"Support\ Device"]),
        ("cxrshift explain -m none --finding ", []),
        ("cxrshift keys create x --role c", ["classify"]),
        ("cxrshift evaluate alignment --cases ", ["present", "absent", "all"]),
    ],
)
def test_commands_options_and_values_are_offered(line: str, offered: list[str]) -> None:
    assert complete(line) == offered


def test_findings_are_those_of_a_folder_that_is_written_out(tmp_path: Path) -> None:
    assert complete(f"cxrshift explain -m {tmp_path}/store/toy --finding Ef") == ["Effusion"]


def test_a_manifest_that_is_broken_offers_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "store/toy/manifest.toml").write_text("x = [")
    assert complete("cxrshift explain -m toy --finding ") == []
    (tmp_path / "store/toy/manifest.toml").write_text("findings = 3")
    assert complete("cxrshift explain -m toy --finding ") == []


def test_zsh_and_fish_show_what_a_model_is() -> None:
    assert complete("cxrshift serve --model to", "fish") == ["toy\tRandom weights."]
    assert complete("cxrshift serve --model to", "zsh") == ["""_arguments '*: :(("toy":"Random weights."))'"""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    asked = {"_CXRSHIFT_COMPLETE": f"source_{shell}"}
    script = CliRunner().invoke(app, [], prog_name="cxrshift", env=asked).stdout
    assert f"complete_{shell}" in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_once_completion_is_installed(tmp_path: Path) -> None:
    script = """
cxrshift --install-completion >/dev/null || exit 1
source ~/.bash_completions/cxrshift.sh
offer() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _cxrshift_completion cxrshift; echo "${COMPREPLY[@]}"
}
complete -p cxrshift
offer cxrshift exp
offer cxrshift explain --no-such
offer cxrshift explain -m toy --finding S
"""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": path, "SHELL": "/bin/bash"}
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.stdout.splitlines() == [
        "complete -o default -F _cxrshift_completion cxrshift",
        "explain",
        "",
        r"Support\ Device",
    ], done.stderr


def test_completing_starts_without_the_heavy_libraries() -> None:
    program = """
import sys
from cxrshift.cli import main
sys.argv = ["cxrshift"]
try:
    main()
except SystemExit:
    pass
print([name for name in ("torch", "numpy", "grpc", "matplotlib", "httpx", "PIL") if name in sys.modules])
"""
    line = "cxrshift explain -m toy --finding "
    asked = {"_CXRSHIFT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "5"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **asked}, check=True
    )
    assert done.stdout.splitlines() == ["Effusion", "Edema", r"Support\ Device", "[]"]
