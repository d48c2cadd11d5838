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
"""Weight of 1 - SSIM in the autoencoder's loss."""
LATENT_NOISE = 0.06
"""Noise on the latent while training, as a share of its spread: the decoder must be smooth where a shift leads."""
SMOOTH_LABEL = 0.03
"""Labels are 0.03 and 0.97: a score that saturates leaves no gradient to follow."""
MAP_WEIGHT = 10.0
"""A mask covers few cells: the mean over all of them is small beside the loss of the label."""
PIXEL_NOISE = 0.02
"""Largest grain on a picture while training, as a share of half the range of tones."""

Report = Callable[[Progress], None]


def to_model_units(images: Tensor) -> Tensor:
    """``images`` (N, S, S) uint8 to (N, 1, S, S) float32 in [-1024, 1024]."""
    return ((images.float() / 127.5 - 1.0) * UNIT)[:, None]


def train_autoencoder(
    network: CompactAutoencoder, data: PhantomSet, schedule: Schedule, *, bf16: bool = False, report: Report
) -> None:
    """Minimise the weighted absolute error plus a share of 1 - SSIM, with noise on the latent."""

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        images = to_model_units(data.images[batch, 0])
        shares = data.masks[batch, 0].float().amax(1, keepdim=True) / 255.0
        weights = 1.0 + FINDING_WEIGHT * functional.interpolate(shares, size=images.shape[-1])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            latents = network.encode(images)
            noise = torch.randn(latents.shape, generator=generator) * latents.detach().float().std()
            outputs = network.decode(latents + LATENT_NOISE * noise)
        outputs = outputs.float() / UNIT
        targets = images / UNIT
        error = ((outputs - targets).abs() * weights).mean() / weights.mean()
        return error + SSIM_WEIGHT * (1.0 - ssim_of_batch(outputs, targets))

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
    """Learn each finding's presence from its label and its place from its mask, and to change smoothly between twins.

    Half of a batch are pictures as they are. The others are decoded from a latent somewhere between a phantom's and its
    twin's, and their labels and masks lie as far between (manifold mixup, arXiv 1806.05236, along the one direction
    that adds or removes a finding). So the score of a reconstruction means what that of a picture does, and it keeps a
    slope towards the twin where a classifier of labels alone would be saturated and its gradient noise.
    """

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        pictured, between = batch.tensor_split(2)
        which = torch.randint(2, pictured.shape, generator=generator)
        share = torch.rand(between.shape, generator=generator)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            with torch.no_grad():
                latents = autoencoder.encode(to_model_units(data.images[between].flatten(0, 1))).float()
                mixed = _mix(latents.reshape(-1, 2, *latents.shape[1:]), share)
                noise = LATENT_NOISE * latents.std() * torch.randn(mixed.shape, generator=generator)
                frames = autoencoder.decode(mixed + noise).float()
            images = torch.cat([to_model_units(data.images[pictured, which]), frames])
            strength = PIXEL_NOISE * UNIT * torch.rand(len(batch), 1, 1, 1, generator=generator)
            maps = network.evidence(images + strength * torch.randn(images.shape, generator=generator)).float()
        labels = torch.cat([data.labels[pictured, which].float(), _mix(data.labels[between].float(), share)])
        shares = torch.cat([data.masks[pictured, which].float(), _mix(data.masks[between].float(), share)]) / 255.0
        presence = functional.binary_cross_entropy_with_logits(
            network.pool(maps), labels * (1.0 - 2.0 * SMOOTH_LABEL) + SMOOTH_LABEL
        )
        return presence + MAP_WEIGHT * functional.binary_cross_entropy_with_logits(maps, shares)

    fit(network, len(data), loss, schedule, report=report)


def _mix(pairs: Tensor, share: Tensor) -> Tensor:
    """(B, 2, ...) to (B, ...): ``share`` (B,) in [0, 1] of the second and the rest of the first."""
    share = share.reshape(-1, *[1] * (pairs.ndim - 2))
    return torch.lerp(pairs[:, 0], pairs[:, 1], share)


def ssim_of_batch(first: Tensor, second: Tensor) -> Tensor:
    """Mean SSIM, () float32, over 7 x 7 boxes of pictures; a cheap stand-in for the Gaussian window.

    ``first`` (N, 1, S, S) and ``second`` (N, 1, S, S) are float32 in [-1, 1]. Wang et al., IEEE TIP 13 (2004).
    """
    maps = torch.cat([first, second, first * first, second * second, first * second], 1)
    a, b, aa, bb, ab = functional.avg_pool2d(maps, 7, stride=2).unbind(1)
    c1, c2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    structure = (2 * (ab - a * b) + c2) / ((aa - a * a) + (bb - b * b) + c2)
    return (luminance * structure).mean()
