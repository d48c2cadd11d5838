"""The small networks of the embedded models: fast on a CPU, smooth in their latent.

Both read and write pictures in blocks of pixels, so that no convolution runs at full resolution; both use smooth
activations and normalise each radiograph on its own, so that the score is a smooth function of the latent and no row
depends on its neighbours.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ManifestError
from .manifest import FILE_NAME, Manifest
from .rowwise import rowwise
from .weights import Weights, fill

AUTOENCODER_FILE = "autoencoder.safetensors"
CLASSIFIER_FILE = "classifier.safetensors"
UNIT = 1024.0
"""Model units of a pixel that the networks see as 1; their input is [-1024, 1024], as torchxrayvision's."""
BLOCK = 4
"""Pixels along each side of the blocks that the autoencoder reads and writes."""
_GROUPS = 8
_SEAM = 4
_STRIDE = 4 * BLOCK
"""Pixels of the image along each side of one place of the latent."""


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), a block of He et al. 2016, arXiv 1603.05027."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(_GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (N, C, H, W) float32 with a correction added, of the same shape."""
        y = self.conv1(functional.silu(self.norm1(x)))
        added: Tensor = self.conv2(functional.silu(self.norm2(y)))
        return x + added


def _norm_silu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.GroupNorm(_GROUPS, channels), nn.SiLU())


class CompactAutoencoder(nn.Module):
    """(N, 1, S, S) in [-1024, 1024] to a latent (N, latent, S / 16, S / 16) and back."""

    def __init__(self, *, width: int = 32, latent: int = 64) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        down: list[nn.Module] = [nn.PixelUnshuffle(BLOCK), nn.Conv2d(BLOCK**2, widths[0], 3, padding=1)]
        up: list[nn.Module] = [nn.Conv2d(latent, widths[-1], 3, padding=1)]
        down += [ResidualBlock(width)]
        for narrow, wide in pairwise(widths):
            down += [nn.Conv2d(narrow, wide, 4, stride=2, padding=1), ResidualBlock(wide)]
        for wide, narrow in pairwise(widths[::-1]):
            up += [ResidualBlock(wide), nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2)]
        up += [ResidualBlock(width), _norm_silu(width)]
        self.encoder = nn.Sequential(*down, _norm_silu(widths[-1]), nn.Conv2d(widths[-1], latent, 1))
        self.decoder = nn.Sequential(*up, nn.Conv2d(width, _SEAM * BLOCK**2, 3, padding=1), nn.PixelShuffle(BLOCK))
        self.smooth = nn.Conv2d(_SEAM, 1, 3, padding=1)  # hides the seams between blocks

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in [-1024, 1024] to latents (N, latent, S / 16, S / 16) float32."""
        latents: Tensor = self.encoder(images / UNIT)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """``latents`` (N, latent, S / 16, S / 16) float32 to images (N, 1, S, S), softly held to [-1024, 1024]."""
        raw = self.smooth(self.decoder(latents))
        return torch.tanh(raw) * UNIT

    def forward(self, images: Tensor) -> Tensor:
        """The reconstruction (N, 1, S, S) of ``images`` (N, 1, S, S), both float32 in [-1024, 1024]."""
        return self.decode(self.encode(images))


class CompactClassifier(nn.Module):
    """(N, 1, S, S) in [-1024, 1024] to a map of evidence for each finding, pooled to one score for each.

    A finding is somewhere: its logit is a soft maximum of its evidence over places, pool(m) = log(mean(exp(r m))) / r
    (Pinheiro and Collobert 2015, arXiv 1411.6228), so that its gradient goes where the evidence lies. ``sharpness`` is
    r, > 0.
    """

    def __init__(self, findings: int, *, width: int = 32, sharpness: float = 1.0) -> None:
        super().__init__()
        stem, middle, deep = width, 2 * width, 3 * width
        self.sharpness = sharpness
        self.stem = nn.Sequential(
            nn.Conv2d(1, stem, 6, stride=4, padding=1),
            ResidualBlock(stem),
            nn.Conv2d(stem, middle, 4, stride=2, padding=1),
            ResidualBlock(middle),
        )
        self.deep = nn.Sequential(
            nn.Conv2d(middle, deep, 4, stride=2, padding=1), ResidualBlock(deep), ResidualBlock(deep)
        )
        self.widen = nn.Conv2d(deep, 4 * middle, 1)
        self.context = nn.Linear(deep, middle)
        self.merge = nn.Sequential(ResidualBlock(middle), _norm_silu(middle), nn.Conv2d(middle, findings, 1))
        self.scale = nn.Parameter(torch.ones(findings))
        self.bias = nn.Parameter(torch.zeros(findings))

    def evidence(self, images: Tensor) -> Tensor:
        """Evidence maps (N, F, S / 8, S / 8) float32: logits of the finding being at that place.

        ``images`` (N, 1, S, S) are float32 in [-1024, 1024].
        """
        near = self.stem(images / UNIT)
        far = self.deep(near)
        context = self.context(far.mean((2, 3)))[:, :, None, None]
        maps: Tensor = self.merge(near + functional.pixel_shuffle(self.widen(far), 2) + context)
        return maps

    def pool(self, maps: Tensor) -> Tensor:
        """Evidence ``maps`` (N, F, h, w) float32 to logits (N, F) float32."""
        sharp = self.sharpness * maps.flatten(2)
        sharp = sharp.to(torch.promote_types(sharp.dtype, torch.float32))  # a sum of many in bfloat16 would be coarse
        peak = sharp.amax(2).detach()
        soft = (peak + rowwise(torch.log, (sharp - peak[:, :, None]).exp().sum(2), fill=1.0)) / self.sharpness
        return soft * self.scale + self.bias

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (N, F) float32 in [0, 1] of ``images`` (N, 1, S, S), float32 in [-1024, 1024]."""
        return rowwise(torch.sigmoid, self.pool(self.evidence(images)))


class CompactModel(nn.Module):
    """Both networks as the engine takes them: a LatentModel."""

    def __init__(
        self, findings: tuple[str, ...], autoencoder: CompactAutoencoder, classifier: CompactClassifier
    ) -> None:
        super().__init__()
        self.findings = findings
        self.autoencoder = autoencoder
        self.classifier = classifier

    def encode(self, images: Tensor) -> Tensor:
        """As ``CompactAutoencoder.encode``."""
        return self.autoencoder.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """As ``CompactAutoencoder.decode``."""
        return self.autoencoder.decode(latents)

    def score(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in [-1024, 1024] to probabilities (N, F) float32."""
        probabilities: Tensor = self.classifier(images)
        return probabilities


def build(manifest: Manifest, weights: Weights) -> CompactModel:
    """The networks that the manifest describes, with their weights.

    ``weights`` are tensors, each of its own shape (...) and float32. Raises WeightsError or ManifestError.
    """
    if manifest.input_size % _STRIDE:
        raise ManifestError(f"{FILE_NAME}: input_size must be a multiple of {_STRIDE} for the kind compact.")
    findings = tuple(finding.name for finding in manifest.findings)
    arguments = manifest.networks
    try:
        autoencoder = CompactAutoencoder(**arguments.get("autoencoder", {}))  # type: ignore[arg-type]
        classifier = CompactClassifier(len(findings), **arguments.get("classifier", {}))  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ManifestError(f"{FILE_NAME}: networks holds an argument that no compact network takes.") from error
    networks: dict[str, nn.Module] = {AUTOENCODER_FILE: autoencoder, CLASSIFIER_FILE: classifier}
    for name, network in networks.items():
        if name not in weights:
            raise ManifestError(f"{FILE_NAME}: files must name {name}.")
        fill(network, weights[name], source=name)
    return CompactModel(findings, autoencoder, classifier)
