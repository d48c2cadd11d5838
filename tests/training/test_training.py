"""Training: the loop learns, the same seed gives the same weights, and what is written serves as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshift.core.engine import Engine
from cxrshift.models.loader import load_model
from cxrshift.phantom import FINDINGS, generate
from cxrshift.training.fit import Progress, Schedule, fit
from cxrshift.training.phantom_model import Recipe, main, operating_points, train_phantom_model
from cxrshift.training.phantoms import draw_phantoms


def fit_line(seed: int) -> tuple[nn.Linear, list[Progress]]:
    torch.manual_seed(0)
    inputs = torch.linspace(-1, 1, 50)[:, None]
    line = nn.Linear(1, 1)
    reports: list[Progress] = []

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        squares: Tensor = (line(inputs[batch]) - (3 * inputs[batch] - 1)) ** 2
        return squares.mean()

    fit(line, 50, loss, Schedule(steps=330, batch=16, peak_rate=0.2, seed=seed), report=reports.append)
    return line, reports


def test_fit_finds_a_line_and_says_how_far_it_is() -> None:
    line, reports = fit_line(1)
    assert line.weight.item() == pytest.approx(3, abs=0.05)
    assert line.bias.item() == pytest.approx(-1, abs=0.05)
    assert (reports[0].step, reports[-1].step, reports[-1].steps) == (25, 330, 330)
    assert reports[-1].loss < 0.01 < reports[0].loss
    assert not line.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    one, again, other = (fit_line(seed)[0].weight.item() for seed in (1, 1, 2))
    assert one == again != other


def test_operating_points_separate_as_well_as_can_be_and_prefer_the_middle() -> None:
    scores = np.array([[0.1, 0.30], [0.2, 0.10], [0.8, 0.32], [0.9, 0.36]], dtype=np.float32)
    labels = np.array([[0, 0], [0, 0], [1, 1], [1, 1]], dtype=np.bool_)
    middle, low = operating_points(scores, labels)
    assert middle == 0.5
    assert 0.30 < low <= 0.32


def test_drawn_phantoms_are_those_of_the_generator_and_come_from_the_cache_again(tmp_path: Path) -> None:
    told: list[int] = []
    drawn = draw_phantoms(500, 3, size=64, cache=tmp_path, workers=1, progress=told.append)
    assert sum(told) == 3
    one = generate(501)
    labels = [name in one.masks for name in FINDINGS]
    assert drawn.labels[1, 0].tolist() == labels
    assert [a != b for a, b in zip(drawn.labels[1, 1].tolist(), labels, strict=True)].count(True) == 1  # the twin
    halved = one.pixels.reshape(64, 4, 64, 4).mean((1, 3))
    assert np.abs(drawn.images[1, 0].numpy() / 255.0 - halved).mean() < 0.02
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    again = draw_phantoms(500, 3, size=64, cache=tmp_path, workers=1)
    assert torch.equal(again.images, drawn.images)
    assert file.stat().st_mtime_ns == before


def test_a_tiny_recipe_makes_a_model_folder_that_serves_as_it_is(tmp_path: Path) -> None:
    recipe = Recipe(phantoms=32, autoencoder_steps=2, classifier_steps=2, bf16=False)
    train_phantom_model(
        recipe, out=tmp_path / "phantom", cache=tmp_path / "cache", version="0.1", evaluate=4, calibration=32
    )
    model = load_model(tmp_path / "phantom")
    assert [f.name for f in model.spec.findings] == list(FINDINGS)
    (scores,) = Engine(model).classify([generate(1).to_radiograph()])
    assert isinstance(scores, tuple)
    assert [score.finding for score in scores] == list(FINDINGS)
    card = (tmp_path / "phantom/README.md").read_text("utf-8")
    assert "32 phantoms of seeds 2000000" in card
    assert all(f"| {name} |" in card for name in FINDINGS)


def test_the_command_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--autoencoder-steps" in capsys.readouterr().out
