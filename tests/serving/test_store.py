"""Model folders into what TorchServe loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cxrshift.errors import ManifestError, WeightsError
from cxrshift.models.compact import CLASSIFIER_FILE
from cxrshift.models.loader import load_model
from cxrshift.serving.store import StoreSettings, build_store
from tests.cli.toy_model import make_model_folder


def test_a_built_folder_is_an_archive_of_torchserve_and_still_a_model(tmp_path: Path) -> None:
    store = build_store([make_model_folder(tmp_path)], tmp_path / "store", settings=StoreSettings(batch_size=3))
    archive = json.loads((store / "toy/MAR-INF/MANIFEST.json").read_text())
    assert archive["model"]["handler"] == "explain_handler:handle"
    config = yaml.safe_load((store / "toy" / archive["model"]["configFile"]).read_text())
    assert (config["batchSize"], config["minWorkers"], config["maxWorkers"]) == (3, 1, 1)
    assert config["cxrshift"] == {
        "threads": 0,
        "runtime": "",
        "precision": "",
        "max_reply_bytes": 16 << 20,
        "compress_above": 6 << 20,
        "reject_unsuitable": False,
        "recent_encodings": 64,
    }
    assert load_model(store / "toy").spec.findings[0].name == "Effusion"


def test_the_same_content_is_kept_and_other_settings_replace_it(tmp_path: Path) -> None:
    folder, store = make_model_folder(tmp_path), tmp_path / "store"
    build_store([folder], store)
    first = (store / "toy").stat().st_ino
    build_store([folder], store)
    assert (store / "toy").stat().st_ino == first
    build_store([folder], store, settings=StoreSettings(workers=2))
    assert "minWorkers: 2" in (store / "toy/model-config.yaml").read_text()
    assert [entry.name for entry in store.iterdir()] == ["toy"]


def test_a_kept_folder_whose_weights_the_disk_altered_is_built_anew(tmp_path: Path) -> None:
    folder, store = make_model_folder(tmp_path), tmp_path / "store"
    build_store([folder], store)
    weights = store / "toy" / CLASSIFIER_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    build_store([folder], store)
    assert weights.read_bytes() == (folder / CLASSIFIER_FILE).read_bytes()


def test_altered_or_missing_weights_leave_no_folder_behind(tmp_path: Path) -> None:
    folder, store = make_model_folder(tmp_path), tmp_path / "store"
    weights = folder / CLASSIFIER_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        build_store([folder], store)
    weights.unlink()
    with pytest.raises(WeightsError, match="not in the model's folder"):
        build_store([folder], store)
    assert list(store.iterdir()) == []


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [make_model_folder(tmp_path / side) for side in ("left", "right")]
    with pytest.raises(ManifestError, match="Two of the folders hold a model named toy"):
        build_store(folders, tmp_path / "store")
