"""``cxrshift train quality``: from a folder, or from phantoms, into a model folder that is served as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.models.check import check_model
from cxrshift.models.compact import CompactAutoencoder, CompactClassifier
from cxrshift.models.loader import load_model
from cxrshift.models.manifest import ManifestFinding
from cxrshift.training.model_folder import Identity, TrainedAutoencoder, write_model
from tests.training.picture_folders import SIDE, make_folder


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Untrained networks: what is learnt here is about any networks."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder, classifier = CompactAutoencoder(width=8, latent=4), CompactClassifier(1, width=8)
    trained = TrainedAutoencoder(autoencoder, SIDE, {"width": 8, "latent": 4}, "")
    folder, findings = tmp_path / "toy", [ManifestFinding("Effusion")]
    write_model(folder, Identity("toy", "1.0.0", "Untrained."), trained, classifier, {"width": 8}, findings)
    return folder


def test_limits_are_learnt_from_a_folder_by_patient(model: Path, tmp_path: Path) -> None:
    images = make_folder(tmp_path, patients=240)
    named = ["train", "quality", str(model), str(images), "--workers", "1", "--model-version", "1.0.1"]
    done = CliRunner().invoke(app, named)
    assert done.exit_code == 0, done.output
    assert "reference: 3" in done.output  # of 480 pictures some 340
    loaded = load_model(model)
    assert loaded.familiarity is not None
    assert loaded.spec.version == "1.0.1"
    assert loaded.spec.limits.max_distance is not None
    check_model(loaded)


def test_limits_are_learnt_from_phantoms(model: Path) -> None:
    done = CliRunner().invoke(app, ["train", "quality", str(model), "--phantoms", "50"])
    assert done.exit_code == 0, done.output
    assert "reference: 200" in done.output
    assert load_model(model).spec.version == "1.0.0"


@pytest.mark.parametrize("more", [[], [".", "--phantoms", "40"]])
def test_radiographs_are_named_in_one_way(model: Path, more: list[str]) -> None:
    before = (model / "manifest.toml").read_bytes()
    assert CliRunner().invoke(app, ["train", "quality", str(model), *more]).exit_code == 2
    assert (model / "manifest.toml").read_bytes() == before
