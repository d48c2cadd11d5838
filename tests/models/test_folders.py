"""Finding a model by its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cxrshift.models.folders as folders
from cxrshift.errors import ModelError
from cxrshift.models.folders import find_model, known_models, model_roots, shipped_models_folder, user_models_folder


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.toml").touch()
    return folder


def test_the_store_comes_before_the_users_models_and_those_before_the_shipped(tmp_path: Path) -> None:
    environment = {"CXRSHIFT_MODEL_STORE": str(tmp_path / "store"), "CXRSHIFT_DATA_HOME": str(tmp_path / "data")}
    mine, shadowed = make(tmp_path / "data/models/mine"), make(tmp_path / "data/models/both")
    served = make(tmp_path / "store/both")
    assert model_roots(environment) == (tmp_path / "store", tmp_path / "data/models", shipped_models_folder())
    assert find_model("both", environment) == served
    assert find_model("mine", environment) == mine
    assert shadowed not in known_models(environment)


def test_only_folders_with_a_manifest_and_a_models_name_are_models(tmp_path: Path) -> None:
    environment = {"CXRSHIFT_MODEL_STORE": str(tmp_path), "CXRSHIFT_DATA_HOME": str(tmp_path / "none")}
    (tmp_path / "empty").mkdir()
    make(tmp_path / ".importing-x")
    good = make(tmp_path / "good")
    assert [folder for folder in known_models(environment) if folder.is_relative_to(tmp_path)] == [good]


@pytest.mark.parametrize("name", ["absent", "..", "good/../good"])
def test_an_unknown_name_is_answered_with_the_names_there_are(name: str, tmp_path: Path) -> None:
    environment = {"CXRSHIFT_MODEL_STORE": str(tmp_path), "CXRSHIFT_DATA_HOME": str(tmp_path / "none")}
    make(tmp_path / "good")
    with pytest.raises(ModelError, match=r"Installed are: .*good"):
        find_model(name, environment)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/cxrshift/models")),
        ("linux", {"XDG_DATA_HOME": "relative"}, Path.home() / ".local/share/cxrshift/models"),
        ("linux", {}, Path.home() / ".local/share/cxrshift/models"),
        ("darwin", {}, Path.home() / "Library/Application Support/cxrshift/models"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/cxrshift/models")),
        ("win32", {"LOCALAPPDATA": "/local", "CXRSHIFT_DATA_HOME": "/own"}, Path("/own/models")),
    ],
)
def test_the_users_models_are_where_the_platform_keeps_data(
    platform: str, environment: dict[str, str], expected: Path
) -> None:
    assert user_models_folder(environment, platform=platform) == expected


def test_shipped_models_are_in_the_wheel_or_beside_the_source(tmp_path: Path) -> None:
    wheel, checkout = tmp_path / "site-packages/cxrshift", tmp_path / "checkout/src/cxrshift"
    assert shipped_models_folder(wheel) == wheel / "model_store"
    assert shipped_models_folder(checkout) == tmp_path / "checkout/model_store"
    assert (shipped_models_folder() / "phantom").is_dir()


def test_folders_and_manifests_need_no_torch() -> None:
    code = f"import sys, {folders.__name__}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
