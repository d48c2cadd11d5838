"""How the compact autoencoder and classifier learn from phantoms."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ..models.compact import UNIT, CompactAutoencoder, CompactClassifier
from .fit import Progress, Schedule, fit
from .phantoms import PhantomSet

FINDING_WEIGHT = 2.0
"""How much more a pixel inside a finding counts in the reconstruction: the classifier looks there."""
SSIM_WEIGHT = 0.15
LATENT_NOISE = 0.06
"""Noise on the latent while training, as a share of its spread: the decoder must be smooth where a shift leads."""
SMOOTH_LABEL = 0.02
"""Labels are 0.02 and 0.98: a score that saturates leaves no gradient to follow."""
MAP_WEIGHT = 2.0
PIXEL_NOISE = 0.02

Report = Callable[[Progress], None]


def to_model_units(images: Tensor) -> Tensor:
    """(N, S, S) uint8 to (N, 1, S, S) float32 in [-1024, 1024]."""
    return ((images.float() / 127.5 - 1.0) * UNIT)[:, None]


def train_autoencoder(
    network: CompactAutoencoder, data: PhantomSet, schedule: Schedule, *, bf16: bool = False, report: Report
) -> None:
    """Minimise the weighted absolute error plus a share of 1 - SSIM, with noise on the latent."""

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        images = to_model_units(data.images[batch])
        shares = data.masks[batch].float().amax(1, keepdim=True) / 255.0
        weights = 1.0 + FINDING_WEIGHT * functional.interpolate(shares, size=images.shape[-1])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            latents = network.encode(images)
            noise = torch.randn(latents.shape, generator=generator) * latents.detach().float().std()
            outputs = network.decode(latents + LATENT_NOISE * noise)
        outputs = outputs.float() / UNIT
        targets = images / UNIT
        error = ((outputs - targets).abs() * weights).mean() / weights.mean()
        return error + SSIM_WEIGHT * (1.0 - _ssim(outputs, targets))

    fit(network, len(data), loss, schedule, report=report)


def train_classifier(
    network: CompactClassifier,
    autoencoder: CompactAutoencoder,
    data: PhantomSet,
    schedule: Schedule,
    *,
    bf16: bool = False,
    report: Report,
) -> None:
    """Learn each finding's presence from its label and its place from its mask.

    Half of every batch are reconstructions, from latents with noise on them: a classifier that never saw any would
    score a frame by what the autoencoder does, not by what the frame shows.
    """

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        images = to_model_units(data.images[batch])
        half = len(batch) // 2
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            with torch.no_grad():
                latents = autoencoder.encode(images[:half])
                noise = torch.randn(latents.shape, generator=generator) * latents.float().std()
                reach = 2 * LATENT_NOISE * torch.rand(half, 1, 1, 1, generator=generator)
                images = torch.cat([autoencoder.decode(latents + reach * noise).float(), images[half:]])
            strength = PIXEL_NOISE * UNIT * torch.rand(len(batch), 1, 1, 1, generator=generator)
            noisy = images + strength * torch.randn(images.shape, generator=generator)
            maps = network.evidence(noisy)
        maps = maps.float()
        labels = data.labels[batch].float() * (1.0 - 2.0 * SMOOTH_LABEL) + SMOOTH_LABEL
        presence = functional.binary_cross_entropy_with_logits(network.pool(maps), labels)
        shares = data.masks[batch].float() / 255.0
        place = functional.binary_cross_entropy_with_logits(maps, shares)
        return presence + MAP_WEIGHT * place

    fit(network, len(data), loss, schedule, report=report)


def _ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean SSIM over 7 x 7 boxes of (N, 1, S, S) pictures in [-1, 1]; a cheap stand-in for the Gaussian window."""
    maps = torch.cat([first, second, first * first, second * second, first * second], 1)
    a, b, aa, bb, ab = functional.avg_pool2d(maps, 7, stride=2).unbind(1)
    c1, c2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    structure = (2 * (ab - a * b) + c2) / ((aa - a * a) + (bb - b * b) + c2)
    return (luminance * structure).mean()
