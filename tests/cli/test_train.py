"""``cxrshift train`` from a folder to a model that is explained, and killed on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from cxrshift.cli.app import app
from cxrshift.models.check import check_model
from cxrshift.models.loader import load_model
from cxrshift.models.manifest import read_manifest
from tests.training.picture_folders import make_folder

COMMAND = [str(Path(sys.executable).with_name("cxrshift"))]
SMALL = ["--width", "8", "--batch", "8", "--threads", "1", "--workers", "1", "--checkpoint-every", "5"]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("train"))


def autoencoder(images: Path, out: Path, steps: int = 300, *more: str) -> list[str]:
    cache = ["--cache", str(images.parent / "cache"), "--validate-every", "100", "--steps", str(steps)]
    own = ["train", "autoencoder", str(images), "--out", str(out), "--size", "32", "--latent", "8"]
    return [*own, *SMALL, *cache, *more]


def classifier(images: Path, autoencoder: Path, out: Path, *more: str) -> list[str]:
    cache = ["--cache", str(images.parent / "cache"), "--validate-every", "40", "--steps", "120"]
    own = ["train", "classifier", str(images), "--autoencoder", str(autoencoder), "--out", str(out)]
    return [*own, *SMALL, *cache, "--masks", str(images.parent / "masks"), *more]


def run(arguments: list[str]) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def trained(images: Path) -> Path:
    """An undisturbed run of the autoencoder."""
    done = run(autoencoder(images, images.parent / "autoencoder"))
    assert done.exit_code == 0, done.output
    assert "step 300 of 300: validation" in done.output
    assert "held-back pictures: MAE" in done.output
    return images.parent / "autoencoder"


@pytest.fixture(scope="module")
def model(images: Path, trained: Path) -> Path:
    """An undisturbed run of the classifier."""
    done = run(classifier(images, trained, images.parent / "toy-model", "--note", "Pictures of toys."))
    assert done.exit_code == 0, done.output
    assert "mean AUROC" in done.output
    return images.parent / "toy-model"


def kill_in_training(arguments: list[str], checkpoint: Path, number: signal.Signals) -> int:
    """Start the command, send it the signal once it has written a checkpoint, and wait for its end."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not checkpoint.exists():
            assert process.poll() is None, "it ended before its first checkpoint"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        return process.wait(60)
    finally:
        process.kill()
        process.wait()


def test_a_killed_autoencoder_started_again_has_the_weights_of_an_undisturbed_run(
    images: Path, trained: Path, tmp_path: Path
) -> None:
    arguments = autoencoder(images, tmp_path / "run")
    assert kill_in_training(arguments, tmp_path / "run/checkpoint.pt", signal.SIGKILL) == -signal.SIGKILL
    assert not (tmp_path / "run/autoencoder.safetensors").exists()
    assert run(arguments).exit_code == 0
    names = ("autoencoder.safetensors", "report/report.json", "report/history.png", "report/reconstructions.png")
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (trained / name).read_bytes()


def test_a_killed_classifier_started_again_writes_the_same_model_folder(
    images: Path, trained: Path, model: Path, tmp_path: Path
) -> None:
    arguments = classifier(images, trained, tmp_path / "toy-model", "--note", "Pictures of toys.")
    kill_in_training(arguments, tmp_path / "toy-model.run/checkpoint.pt", signal.SIGKILL)
    assert not (tmp_path / "toy-model/manifest.toml").exists()
    assert run(arguments).exit_code == 0
    for name in ("manifest.toml", "classifier.safetensors", "autoencoder.safetensors", "README.md"):
        assert (tmp_path / "toy-model" / name).read_bytes() == (model / name).read_bytes()


def test_sigterm_ends_it_with_a_checkpoint_and_a_word(images: Path, tmp_path: Path) -> None:
    arguments = autoencoder(images, tmp_path / "run", 5000)
    assert kill_in_training(arguments, tmp_path / "run/checkpoint.pt", signal.SIGTERM) == 128 + signal.SIGTERM
    step = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["state"]["step"]
    assert 5 <= step < 5000


def test_the_model_folder_is_loaded_checked_and_explained_as_it_is(model: Path, images: Path, tmp_path: Path) -> None:
    check_model(load_model(model))
    manifest = read_manifest(model)
    assert (manifest.name, manifest.input_size) == ("toy-model", 32)
    assert [finding.name for finding in manifest.findings] == ["Effusion", "Mass"]
    picture = str(images / "0.png")
    done = run(["explain", picture, "--local", "--model", str(model), "--finding", "Effusion", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "0/Effusion/frames.gif").is_file()


def test_card_and_report_say_what_was_measured_on_whom(model: Path) -> None:
    card = (model / "README.md").read_text("utf-8")
    report = json.loads((model / "report/report.json").read_bytes())
    effusion = report["test"]["findings"][0]
    splits = {name: (pictures, patients) for name, pictures, patients in report["test"]["splits"]}
    assert sum(pictures for pictures, _ in splits.values()) == 120
    assert all(pictures == 2 * patients for pictures, patients in splits.values())
    assert f"| test | {splits['test'][0]} | {splits['test'][1]} |" in card
    assert f"| {effusion['figures']['auroc']:.3f} |" in card
    assert "Not for clinical use" in card
    assert "Pictures of toys." in card
    assert effusion["figures"]["auroc"] > 0.9  # a bright block is easily seen
    for name in ("history.png", "reconstructions.png", "roc.png"):
        with Image.open(model / "report" / name) as drawn:
            assert min(drawn.size) > 300


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "1"], "other settings: seed was 0 and is 1"),
        (["--rate", "0.1"], "peak_rate was 0.002 and is 0.1"),
        (["--split-seed", "3"], "pictures was"),
        (["--width", "12"], "must be a multiple of 8"),
        (["--device", "tpu"], "must be cpu or cuda"),
        (["--dataset", "NIH"], "no dataset NIH; it has toys"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(
    images: Path, trained: Path, more: list[str], message: str
) -> None:
    before = (trained / "autoencoder.safetensors").read_bytes()
    done = run([*autoencoder(images, trained), *more])
    assert done.exit_code == 2
    assert message in done.output
    assert (trained / "autoencoder.safetensors").read_bytes() == before


def test_an_autoencoder_comes_from_a_model_folder_too_and_from_nothing_else(
    images: Path, model: Path, tmp_path: Path
) -> None:
    done = run(classifier(images, model, tmp_path / "again", "--steps", "4", "--finding", "Mass"))
    assert done.exit_code == 0, done.output
    assert read_manifest(tmp_path / "again").files[0] == read_manifest(model).files[0]
    done = run(classifier(images, images, tmp_path / "never"))
    assert done.exit_code == 2
    assert "holds no trained autoencoder" in done.output
    (tmp_path / "again/manifest.toml").write_text(
        (model / "manifest.toml").read_text("utf-8").replace('"compact"', '"xrv"'), "utf-8"
    )
    done = run(classifier(images, tmp_path / "again", tmp_path / "never"))
    assert done.exit_code == 2
    assert "must be of the kind compact" in " ".join(done.output.split())


def test_a_training_goes_on_from_another_models_classifier(
    images: Path, trained: Path, model: Path, tmp_path: Path
) -> None:
    hardly = ["--steps", "1", "--rate", "1e-9", "--weight-decay", "0", "--average", "0", "--start", str(model)]
    done = run(classifier(images, trained, tmp_path / "next", *hardly))
    assert done.exit_code == 0, done.output
    before, after = (load_file(folder / "classifier.safetensors") for folder in (model, tmp_path / "next"))
    for name, tensor in before.items():
        if name != "bias":  # its scores are centred anew
            torch.testing.assert_close(after[name], tensor, rtol=0.0, atol=1e-7)
    assert "| started from | the classifier of toy-model 0.1.0, SHA-256 " in (tmp_path / "next/README.md").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--finding", "Mass"], "knows Effusion, Mass; the training is of Mass"),
        (["--width", "16"], "has another width"),
    ],
)
def test_a_classifier_of_other_findings_or_width_is_no_start(
    images: Path, trained: Path, model: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    done = run(classifier(images, trained, tmp_path / "never", "--start", str(model), *more))
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_a_run_whose_files_were_changed_is_refused(images: Path, trained: Path, tmp_path: Path) -> None:
    for name in ("autoencoder.json", "autoencoder.safetensors"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    with (tmp_path / "autoencoder.safetensors").open("ab") as weights:
        weights.write(b"more")
    done = run(classifier(images, tmp_path, tmp_path / "never"))
    assert done.exit_code == 2
    assert "not the file that autoencoder.json describes" in done.output


def test_a_dataset_class_of_torchxrayvision_trains_an_autoencoder(images: Path, tmp_path: Path) -> None:
    table = ["Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position"]
    table += [f"{i}.png,{'Effusion' if i % 3 == 0 else 'No Finding'},{i // 2},50,F,PA" for i in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(table) + "\n", "utf-8")
    xrv = ["--xrv", "NIH_Dataset", "--xrv-csv", str(tmp_path / "table.csv"), "--cache", str(tmp_path)]
    done = run(autoencoder(images, tmp_path / "run", 4, *xrv))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run/autoencoder.safetensors").is_file()
