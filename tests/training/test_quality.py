"""Limits learnt from radiographs: the reference is probabilistic PCA, the budget is kept, the folder holds both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from cxrshift.core.engine import Engine
from cxrshift.core.model import Model
from cxrshift.errors import ManifestError, WeightsError
from cxrshift.image.radiograph import Radiograph
from cxrshift.models.loader import load_model
from cxrshift.models.manifest import read_manifest
from cxrshift.models.reference import REFERENCE_FILE
from cxrshift.training.failures import TrainingError
from cxrshift.training.quality import (
    FEWEST,
    choose_limits,
    draw_radiographs,
    fit_familiarity,
    learn_limits,
    pictures_as_radiographs,
    write_quality,
)
from cxrshift_api.types import ExplainOptions
from tests.core.toys import explain_one, grey
from tests.models.toy import FILE, KINDS, SIDE, write_toy


def radiographs(first: int, count: int) -> list[Radiograph]:
    """Noise over a ramp that goes down: a kind of picture that a model can be at home with."""
    ramp = np.linspace(0.2, 0.8, SIDE, dtype=np.float32)[:, None]
    drawn = (np.random.default_rng(seed).normal(0, 0.05, (SIDE, SIDE)) for seed in range(first, first + count))
    return [Radiograph(np.clip(ramp + one, 0, 1).astype(np.float32)) for one in drawn]


def load(folder: Path) -> Model:
    return load_model(folder, kinds=KINDS)


def test_the_reference_is_the_covariance_that_an_independent_pca_finds() -> None:
    random = np.random.default_rng(0)
    latents = random.normal(size=(300, 12)) @ np.diag(np.linspace(3.0, 0.5, 12)) + 7.0
    familiar = fit_familiarity(torch.from_numpy(latents), components=3)
    oracle = PCA(3).fit(latents)
    inverse = np.linalg.inv(oracle.get_covariance() * 299 / 300)  # it divides by N - 1
    for latent in (latents[0], latents[1] + 5.0):
        offset = latent - oracle.mean_
        expected = np.sqrt(offset @ inverse @ offset / 12)
        assert familiar.distance(torch.from_numpy(latent)) == pytest.approx(expected, rel=2e-3)


def test_latents_that_do_not_differ_teach_nothing() -> None:
    with pytest.raises(TrainingError, match="hardly differ"):
        fit_familiarity(torch.ones(50, 8))


@pytest.mark.parametrize("budget", [0.0, 0.02, 0.1])
def test_all_limits_together_keep_the_budget(budget: float) -> None:
    measured = np.random.default_rng(1).normal(size=(200, 6)) - 2.0
    limits = choose_limits(measured, budget)
    past = (measured[:, 0] > (limits.max_distance or 0)) | (-measured[:, 2] < (limits.min_ssim or 0))
    assert past.mean() <= budget
    strict = choose_limits(measured, budget + 0.1)
    assert (strict.max_distance or 0) < (limits.max_distance or 0)


def test_what_does_not_matter_is_not_warned_of_however_rare() -> None:
    measured = np.zeros((100, 6))
    measured[:, 3] = np.linspace(0, 0.01, 100)  # score gaps
    measured[:, 4] = -0.5  # movements
    limits = choose_limits(measured, 0.05)
    assert (limits.max_score_gap, limits.min_movement) == (0.2, 0.1)


def test_a_model_learns_what_is_unlike_its_radiographs(tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "toy")
    learnt = learn_limits(load(folder), radiographs(0, 120), radiographs(500, 80), budget=0.05)
    assert (learnt.training, learnt.validation) == (120, 80)
    assert learnt.warned <= 4
    write_quality(folder, learnt, version="0.2")
    model = load(folder)
    assert (model.spec.version, model.spec.limits) == ("0.2", learnt.limits)
    assert [file.name for file in model.spec.files] == [FILE, REFERENCE_FILE]
    ordinary = [explain_one(Engine(model), one, ExplainOptions()) for one in radiographs(900, 40)]
    assert sum(bool(one.quality.warnings) for one in ordinary) <= 4
    upside_down = Radiograph(np.ascontiguousarray(radiographs(0, 1)[0].pixels[::-1]))
    for stranger in (upside_down, grey(0.5)):
        card = explain_one(Engine(model), stranger, ExplainOptions()).quality
        assert (card.distance or 0) > 1
        assert "unlike the radiographs" in card.warnings[0]
    write_quality(folder, learnt)  # again, as with other radiographs: nothing is listed twice
    assert read_manifest(folder) == read_manifest(folder)
    assert [file.name for file in load(folder).spec.files] == [FILE, REFERENCE_FILE]


def test_a_reference_that_is_not_the_models_own_is_refused(tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "toy")
    learnt = learn_limits(load(folder), radiographs(0, FEWEST), radiographs(500, FEWEST))
    write_quality(folder, learnt)
    text = (folder / "manifest.toml").read_text()
    (folder / "manifest.toml").write_text(text.replace(f'reference = "{REFERENCE_FILE}"', 'reference = "other"'))
    with pytest.raises(ManifestError, match=r"quality.reference must be one of files"):
        load(folder)
    (folder / "manifest.toml").write_text(text)
    (folder / REFERENCE_FILE).write_bytes(b"altered")
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        load(folder)
    write_quality(folder, type(learnt)(learnt.limits, fit_familiarity(torch.rand(50, 8)), 50, 50, (), 0))
    with pytest.raises(WeightsError, match="latents of 8 numbers; its networks make 64"):
        load(folder)


def test_too_few_radiographs_are_refused(tmp_path: Path) -> None:
    model = load(write_toy(tmp_path / "toy"))
    with pytest.raises(TrainingError, match=f"At least {FEWEST}"):
        learn_limits(model, radiographs(0, FEWEST), radiographs(0, FEWEST - 1))


def test_pictures_and_phantoms_become_radiographs() -> None:
    (one,) = pictures_as_radiographs(torch.full((1, 4, 4), 51, dtype=torch.uint8))
    assert one.pixels.dtype == np.float32
    np.testing.assert_allclose(one.pixels, 0.2)
    told: list[int] = []
    drawn = draw_radiographs(3, 2, 32, told.append)
    assert [one.pixels.shape for one in drawn] == [(32, 32)] * 2
    assert told == [1, 2]
