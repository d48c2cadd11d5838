"""Small networks that hold every kind of step that the known architectures have."""

from __future__ import annotations

from hashlib import sha256

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshift.core.model import FindingSpec, Model, ModelSpec

SIDE = 32


class Varied(nn.Module):
    """A convolutional autoencoder and classifier of 32 pixels with fixed random weights and BatchNorm statistics."""

    findings = ("A", "B", "C")

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1)
            )
            self.decoder = nn.Sequential(
                nn.ConvTranspose2d(8, 8, 2, 2, groups=2, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(inplace=True),
                nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4),
                nn.BatchNorm2d(8),
                nn.SiLU(),
                nn.ConvTranspose2d(8, 1, 4, 2, 1),
            )
            self.stem = nn.Sequential(nn.Conv2d(1, 8, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
            self.dense = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.GroupNorm(2, 8))
            self.tail = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten())
            self.head = nn.Linear(16 * 25, 3)
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    for value, low in ((module.running_mean, -0.3), (module.running_var, 0.5)):
                        assert value is not None
                        value.uniform_(low, low + 0.6)
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.uniform_(module.bias, -0.3, 0.3)
        self.eval().requires_grad_(False)

    def encode(self, images: Tensor) -> Tensor:
        latents: Tensor = self.encoder(images / 1024)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        return torch.tanh(self.decoder(latents)) * 1024

    def score(self, images: Tensor) -> Tensor:
        large = functional.interpolate(images / 1024, size=(40, 40), mode="bilinear", antialias=True)
        stem = self.stem(large)
        logits: Tensor = self.head(self.tail(torch.cat([stem, self.dense(stem)], 1)))
        return torch.sigmoid(logits)


def varied_model(seed: int = 0) -> Model:
    """The networks as a model folder would give them."""
    networks = Varied(seed)
    spec = ModelSpec("varied", "1", "", SIDE, (-1024.0, 1024.0), tuple(map(FindingSpec, networks.findings)))
    return Model(spec, networks, fingerprint=sha256(bytes([seed])).hexdigest())


def pictures(count: int) -> Tensor:
    """(count, 1, 32, 32) in model units, each of its own noise."""
    return torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(5)) * 2048 - 1024
