"""``cxrshift models import`` and ``check`` with files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.models.manifest import read_manifest
from tests.cli.toy_model import make_model_folder
from tests.models.own_networks import SIDE, TinyClassifier, TinyDecoder, TinyEncoder, write_pt2

PICTURES = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["models", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    return write_pt2(TinyClassifier(logits=True).eval(), PICTURES, tmp_path / "mine.pt2")


def test_a_classifier_becomes_an_installed_model_that_passes_its_check(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXRSHIFT_DATA_HOME", str(tmp_path / "home"))
    toy = make_model_folder(tmp_path)
    options = ("--autoencoder", toy, "--findings", "Effusion, Mass=0.3", "--name", "mine", "--input-range", "0,1")
    code, told = run("import", classifier, *options, "--output", "logit", "--std", "0.5")
    assert (code, told) == (0, f"installed {tmp_path}/home/models/mine\n")
    manifest = read_manifest(tmp_path / "home/models/mine")
    assert [(f.name, f.operating_point) for f in manifest.findings] == [("Effusion", 0.5), ("Mass", 0.3)]
    assert manifest.networks["classifier"] == {
        "file": "classifier.pt2", "output": "logit", "input_size": SIDE, "input_range": (0.0, 1.0), "std": (0.5,)
    }  # fmt: skip
    assert run("check", "mine") == (0, "mine version 1 can be served: 2 findings\n")
    assert run("check", toy)[0] == 0


def test_an_autoencoder_of_ones_own_needs_no_size_where_its_file_states_it(classifier: Path, tmp_path: Path) -> None:
    encoder = write_pt2(TinyEncoder().eval(), PICTURES, tmp_path / "e.pt2")
    decoder = write_pt2(TinyDecoder().eval(), TinyEncoder()(PICTURES).detach(), tmp_path / "d.pt2")
    own = ("--encoder", encoder, "--decoder", decoder, "--autoencoder-range", "0,1")
    options = ("--findings", "A,B", "--name", "own", "--output", "logit", "--out", tmp_path / "out")
    code, told = run("import", classifier, *own, *options)
    assert (code, told) == (0, f"installed {tmp_path}/out/own\n")
    assert read_manifest(tmp_path / "out/own").input_size == SIDE
    code, told = run("import", classifier, *own[:4], "--autoencoder-range", "1", *options)
    assert code == 2
    assert "--autoencoder-range must be two numbers" in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "needs --name"),
        (("--name", "x"), "Name the autoencoder: --autoencoder MODEL"),
        (("--name", "x", "--autoencoder", "no-such"), "No model named no-such is installed"),
        (("--name", "x", "--autoencoder", "phantom"), "needs --findings"),
        (
            ("--name", "x", "--autoencoder", "phantom", "--findings", "A=high"),
            "--findings: A=high has no number behind =",
        ),
        (("--name", "x", "--autoencoder", "phantom", "--findings", "A,B", "--mean", "1,2"), "mean must be one number"),
        (("--name", "x", "--autoencoder", "phantom", "--findings", "A,B"), "--output logit"),
    ],
)
def test_what_is_missing_or_wrong_is_said_with_the_option_that_mends_it(
    options: tuple[str, ...], says: str, classifier: Path, tmp_path: Path
) -> None:
    code, told = run("import", classifier, *options, "--out", tmp_path / "out")
    assert (code, says in told) == (2, True), told


def test_options_of_the_two_kinds_are_not_mixed(classifier: Path) -> None:
    code, told = run("import", classifier, "--classifier", classifier)
    assert code == 2
    assert "--classifier is for torchxrayvision models" in told
    code, told = run("import", "xrv-densenet121-res224-all", "--autoencoder", "phantom")
    assert code == 2
    assert "needs --classifier FILE and --autoencoder FILE" in told
