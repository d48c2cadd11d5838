"""The classifier's weights randomised: only they, from the score downwards, and its maps with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cxrshift.core.model import as_model
from cxrshift.errors import MethodError
from cxrshift.evaluation.sanity import highest_overlap, randomise, rank_correlation
from tests.core.toys import CurveModel, logistic


class TwoNetworks(nn.Module):
    """An autoencoder and a classifier of two layers, defined in an order that tells nothing of their depth."""

    findings = ("A",)
    input_size = 8
    input_range = (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.last = nn.Linear(6, 1)
        self.coder = nn.Conv2d(1, 1, 1)
        self.first = nn.Linear(64, 6)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return self.coder(images)  # type: ignore[no-any-return]

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents

    def score(self, images: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.last(torch.relu(self.first(images.flatten(1)))))


IMAGE = torch.full((1, 1, 8, 8), 0.5)


def changed(share: float, seed: int = 0) -> set[str]:
    networks = TwoNetworks()
    before = {name: weight.clone() for name, weight in networks.named_parameters()}
    other = randomise(as_model(networks), IMAGE, share=share, seed=seed).networks
    assert isinstance(other, nn.Module)
    assert all(torch.equal(weight, before[name]) for name, weight in networks.named_parameters())
    return {name for name, weight in other.named_parameters() if not torch.equal(weight, before[name])}


def test_weights_go_from_the_score_downwards_and_the_autoencoder_stays() -> None:
    assert changed(0.5) == {"last.weight"}  # its bias is one number, which has no spread to draw from
    assert changed(1.0) == {"last.weight", "first.weight", "first.bias"}


def test_a_seed_gives_the_same_weights_and_another_gives_others_of_the_same_size() -> None:
    drawn = [randomise(as_model(TwoNetworks()), IMAGE, share=1.0, seed=seed).networks for seed in (1, 1, 2)]
    first, same, other = (network.first.weight for network in drawn)  # type: ignore[attr-defined]
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not first.requires_grad
    assert float(other.std()) == pytest.approx(float(TwoNetworks().first.weight.detach().std()), rel=0.15)


def test_networks_without_weights_are_refused() -> None:
    with pytest.raises(MethodError, match="torch modules"):
        randomise(as_model(CurveModel((logistic(0.5, 5.0),))), IMAGE, share=1.0, seed=0)

    class Weightless(nn.Module):
        findings = ("A",)
        encode = decode = staticmethod(lambda images: images)

        def score(self, images: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(images.mean((2, 3)))

    with pytest.raises(MethodError, match="no weight"):
        randomise(as_model(Weightless()), IMAGE, share=1.0, seed=0)


def test_likeness_of_maps() -> None:
    heatmap = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    other = np.random.default_rng(1).random((40, 40), dtype=np.float32)
    assert rank_correlation(heatmap, heatmap**3) == pytest.approx(1.0)
    assert rank_correlation(heatmap, -heatmap) == pytest.approx(-1.0)
    assert rank_correlation(heatmap, np.ones_like(heatmap)) == 0.0
    assert highest_overlap(heatmap, heatmap**3) == 1.0
    assert highest_overlap(heatmap, other) == pytest.approx(0.053, abs=0.04)
