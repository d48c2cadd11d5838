"""Toy models whose latent gradients, shifts and scores are known in closed form, and small helpers around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import FindingSpec, Model, ModelSpec
from cxrshift.image.radiograph import Radiograph
from cxrshift_api.types import ExplainOptions, Explanation, Problem

SIDE = 16
Curve = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CurveModel:
    """The latent z is the image's mean, D(z) an image of that one grey; finding i scores h_i(mean − darkest).

    So g = h'(z), x(λ) = z + λ h'(z), s(λ) = h(z + λ h'(z)), and Σ|Δx| / Σ|x₀ − darkest| = |λ h'(z)| / (z − darkest).
    """

    curves: tuple[Curve, ...]
    input_size: int = SIDE
    input_range: tuple[float, float] = (0.0, 1.0)

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(f"F{i}" for i in range(len(self.curves)))

    def encode(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None]

    def decode(self, latents: Tensor) -> Tensor:
        return latents[:, :, None, None].expand(-1, 1, SIDE, SIDE)

    def score(self, images: Tensor) -> Tensor:
        greys = images.mean((1, 2, 3)) - self.input_range[0]
        return torch.stack([curve(greys) for curve in self.curves], 1)


class LinearModel:
    """D(z) = Bz + b, E its pseudo-inverse, f = σ(Wx + c); B (P, L), W (F, P) in a [-1, 1] unit.

    So g = s₀(1 − s₀) Bᵀw, x(λ) = x₀ + λ Bg and s(λ) = σ(logit s₀ + λ s₀(1 − s₀) ‖Bᵀw‖²).
    """

    input_size = SIDE
    input_range = (-1.0, 1.0)
    findings = ("A", "B", "C")

    def __init__(self, seed: int = 0, latents: int = 5) -> None:
        random = torch.Generator().manual_seed(seed)
        self.basis = torch.randn(SIDE * SIDE, latents, generator=random) / 4
        self.offset = torch.randn(SIDE * SIDE, generator=random) / 4
        self.weights = torch.randn(3, SIDE * SIDE, generator=random) / 4
        self.bias = torch.tensor([0.5, -0.5, 0.0])
        self.inverse: Tensor = torch.linalg.pinv(self.basis.double()).float()

    def encode(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - self.offset) @ self.inverse.T

    def decode(self, latents: Tensor) -> Tensor:
        return (latents @ self.basis.T + self.offset).reshape(-1, 1, SIDE, SIDE)

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(images.flatten(1) @ self.weights.T + self.bias)


class ConvolutionalModel:
    """A small untrained autoencoder and classifier, as real as a network of a millisecond can be."""

    findings = ("A", "B", "C")
    input_size = 32
    input_range = (-1024.0, 1024.0)

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.encoder = nn.Sequential(nn.Conv2d(1, 12, 3, 2, 1), nn.SiLU(), nn.Conv2d(12, 8, 3, 2, 1))
            self.decoder = nn.Sequential(
                nn.ConvTranspose2d(8, 12, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(12, 1, 4, 2, 1)
            )
            self.classifier = nn.Sequential(
                nn.Conv2d(1, 16, 5, 2, 2),
                nn.ReLU(),
                nn.Conv2d(16, 24, 3, 2, 1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(24 * 64, 3),
            )

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images / 1024)  # type: ignore[no-any-return]

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents) * 1024  # type: ignore[no-any-return]

    def score(self, images: Tensor) -> Tensor:
        return torch.sigmoid(4 * self.classifier(images / 1024))


def grey(value: float) -> Radiograph:
    """A radiograph of one grey in [0, 1]."""
    return Radiograph(np.full((SIDE, SIDE), value, np.float32))


def noise(seed: int, height: int = SIDE, width: int = SIDE) -> Radiograph:
    """A radiograph of uniform noise."""
    return Radiograph(np.random.default_rng(seed).random((height, width), dtype=np.float32))


def explain_one(engine: Engine, radiograph: Radiograph, options: ExplainOptions) -> Explanation:
    """The only explanation of the only order."""
    (outcome,) = engine.explain([Order(radiograph, options)]).outcomes
    assert not isinstance(outcome, Problem), outcome
    (explanation,) = outcome
    return explanation


def problem_of(engine: Engine, radiograph: Radiograph, options: ExplainOptions) -> Problem:
    """The Problem that the only order becomes."""
    (outcome,) = engine.explain([Order(radiograph, options)]).outcomes
    assert isinstance(outcome, Problem)
    return outcome


def engine_of(*curves: Curve, darkest: float = 0.0) -> Engine:
    """An engine over a CurveModel whose units begin at ``darkest``."""
    return Engine(CurveModel(curves, input_range=(darkest, darkest + 1.0)))


def with_specs(model: CurveModel, findings: Sequence[FindingSpec]) -> Model:
    """The model under a manifest's facts."""
    return Model(ModelSpec("toy", "1", "", SIDE, model.input_range, tuple(findings)), model)


def logistic(middle: float, steepness: float) -> Curve:
    """h(m) = σ(steepness (m − middle))."""
    return lambda means: torch.sigmoid(steepness * (means - middle))
