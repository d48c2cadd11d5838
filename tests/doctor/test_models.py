"""Models that are whole, altered, broken or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxrshift.doctor.checks import Check, State
from cxrshift.doctor.examination import export_cache
from cxrshift.doctor.models import check_models
from cxrshift.models.loader import load_model
from cxrshift.runtime import fastest
from cxrshift.runtime.choice import _record
from cxrshift.runtime.exports import cache_folder
from tests.cli.toy_model import make_model_folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_model_folder(tmp_path / "store").parent


def look(store: Path, tmp_path: Path) -> dict[str, Check]:
    environment = {"CXRSHIFT_MODEL_STORE": str(store), "CXRSHIFT_DATA_HOME": str(tmp_path / "data")}
    return {check.name: check for check in check_models(environment, tmp_path / "cache")}


def test_models_that_are_whole_are_told_with_their_place(store: Path, tmp_path: Path) -> None:
    told = look(store, tmp_path)
    assert told["toy"].state is State.OK
    assert told["toy"].found == f"version 0.1, 2 findings, 2 files whole, {store / 'toy'}"
    assert told["toy runs in"].state is State.SKIP
    assert told["toy runs in"].remedy == "cxrshift models build toy --out store"
    assert told["phantom"].state is told["cxr-small"].state is State.OK  # those that came with the package
    assert "default" not in told


@pytest.mark.parametrize("lost", [False, True])
def test_a_weight_file_that_was_altered_or_lost_fails_and_is_named(store: Path, tmp_path: Path, lost: bool) -> None:
    weights = store / "toy/classifier.safetensors"
    if lost:
        weights.unlink()
    else:
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    check = look(store, tmp_path)["toy"]
    assert check.state is State.FAIL
    assert str(weights) in check.found
    assert ("No such file" if lost else "SHA-256 differs") in check.found


def test_a_manifest_that_is_wrong_fails_with_its_field(store: Path, tmp_path: Path) -> None:
    manifest = store / "toy/manifest.toml"
    manifest.write_text(manifest.read_text().replace("input_size = 32", "input_size = 3"))
    check = look(store, tmp_path)["toy"]
    assert (check.state, "input_size" in check.found) == (State.FAIL, True)


def test_a_folder_that_is_no_model_is_told(store: Path, tmp_path: Path) -> None:
    (store / "notes").mkdir()
    check = look(store, tmp_path)["notes"]
    assert (check.state, "holds no manifest.toml" in check.found) == (State.WARN, True)


def test_a_model_whose_networks_need_a_package_says_which(store: Path, tmp_path: Path) -> None:
    (store / "toy/manifest.toml").write_text((store / "toy/manifest.toml").read_text().replace("compact", "imported"))
    assert look(store, tmp_path)["toy"].state is State.OK


def test_the_runtime_that_was_measured_here_is_told_as_serving_takes_it(store: Path, tmp_path: Path) -> None:
    model = load_model(store / "toy", runtime="torch")
    record = _record(model, tmp_path / "cache")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps([["torch", "float32", 9.5], ["torch-graph", "float32", 4.25]]))
    assert fastest(model, cache=tmp_path / "cache") == "torch-graph"
    check = look(store, tmp_path)["toy runs in"]
    assert (check.state, check.found) == (State.OK, "torch-graph, float32: the fastest here, 4.2 ms a row")
    record.write_text("broken")
    assert look(store, tmp_path)["toy runs in"].state is State.SKIP


def test_exports_are_looked_for_where_they_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CXRSHIFT_EXPORT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
        assert export_cache({name: str(tmp_path / name)}) == cache_folder()
        monkeypatch.delenv(name)
    assert export_cache({}) == cache_folder()
