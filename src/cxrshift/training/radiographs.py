"""How the compact networks learn from real radiographs: few of them, labels in words, boxes on some."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..models.compact import UNIT, CompactAutoencoder, CompactClassifier
from .augment import Augmentation, augment
from .compact import ssim_of_batch, to_model_units
from .fit import Loss, Schedule
from .pictures import PictureSet

_SLOW = Schedule(steps=9000, average=0.998)
_SHORT = Schedule(steps=4500, peak_rate=4e-3, weight_decay=0.05, average=0.995)
_MILD, _STRONG = Augmentation(), Augmentation(rotation=0.15, scale=0.15, shift=0.1)


@dataclass(frozen=True)
class AutoencoderRecipe:
    """Everything that decides an autoencoder, beside the pictures."""

    width: int = 32
    """Channels of its first layer, a multiple of 8: how many features it has per place."""
    latent: int = 72
    """Channels of the latent, each S / 16 by S / 16."""
    schedule: Schedule = _SLOW
    ssim_weight: float = 0.15
    """The loss is the mean absolute error in [-1, 1] plus so much of 1 - SSIM."""
    latent_noise: float = 0.06
    """As a share of the latent's spread: the decoder must be smooth where a shift leads."""
    augmentation: Augmentation = _MILD
    bf16: bool = False


@dataclass(frozen=True)
class ClassifierRecipe:
    """Everything that decides a classifier, beside the pictures and the autoencoder."""

    width: int = 32
    """Channels of its first layer, a multiple of 8: how many features it has per place."""
    sharpness: float = 1.0
    """r of the soft maximum over places, > 0: near 0 it is a mean, far above 1 a maximum."""
    schedule: Schedule = _SHORT
    smooth_label: float = 0.03
    """Labels are 0.03 and 0.97: a score that saturates leaves no gradient to follow."""
    map_weight: float = 10.0
    """Weight, ≥ 0, of the loss of the place, where it is known; a box covers few of the places."""
    positive_weight: float = 0.0
    """Exponent, in [0, 1], of (absent / present), the weight of a present finding: 0 = none, 1 = balanced."""
    pictures_first: float = 0.75
    """Share of the steps that see pictures alone: what is decoded smooths what has been learnt, and slows learning."""
    mixed: float = 0.5
    """Share of the reconstructions that are decoded from between two patients; the others are of one."""
    picture_mixed: float = 0.0
    """Share of the pictures into which up to half of another is mixed (mixup, arXiv 1710.09412)."""
    consistency: float = 0.0
    """Weight of |f(x) - f(D(E(x)))|, on logits."""
    latent_noise: float = 0.06
    """As a share of the latent's spread, as the autoencoder's."""
    pixel_noise: float = 0.02
    """Largest grain on a picture, as a share of half the range of tones."""
    augmentation: Augmentation = _STRONG
    bf16: bool = False


def autoencoder_loss(network: CompactAutoencoder, pictures: PictureSet, recipe: AutoencoderRecipe) -> Loss:
    """The reconstruction's loss on augmented pictures, with noise on the latent."""

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        images, _ = augment(to_model_units(pictures.images[batch]), generator, recipe.augmentation)
        with _autocast(generator, recipe.bf16):
            latents = network.encode(images)
            outputs = network.decode(latents + _noise(latents, recipe.latent_noise, generator))
        return reconstruction_loss(outputs.float(), images, recipe.ssim_weight)

    return loss


def reconstruction_loss(outputs: Tensor, images: Tensor, ssim_weight: float) -> Tensor:
    """Mean absolute error plus a share of 1 - SSIM, as seen in [-1, 1]: () float32.

    ``outputs`` (N, 1, S, S) and ``images`` (N, 1, S, S) are float32 in [-1024, 1024]. ``ssim_weight`` is that share, ≥
    0.
    """
    outputs, targets = outputs / UNIT, images / UNIT
    return (outputs - targets).abs().mean() + ssim_weight * (1.0 - ssim_of_batch(outputs, targets))


@dataclass(frozen=True)
class _Known:
    """A batch, pictures or latents, and what is known of it: ``labels`` (B, F) with NaN, ``maps`` in [0, 1]."""

    inputs: Tensor
    labels: Tensor
    maps: Tensor
    mapped: Tensor

    def rows(self, some: slice) -> _Known:
        return _Known(self.inputs[some], self.labels[some], self.maps[some], self.mapped[some])

    def mix(self, order: Tensor, share: Tensor) -> _Known:
        """``share`` (B,) of another row and the rest of one's own; known is then what is known of both."""
        flat = share[:, None]
        deep = share[:, None, None, None]
        alone = flat == 0  # 0 times unknown would be unknown
        return _Known(
            torch.lerp(self.inputs, self.inputs[order], deep),
            torch.where(alone, self.labels, torch.lerp(self.labels, self.labels[order], flat)),
            torch.lerp(self.maps, self.maps[order], deep),
            self.mapped & (self.mapped[order] | alone),
        )


def picture_loss(network: CompactClassifier, pictures: PictureSet, recipe: ClassifierRecipe) -> Loss:
    """The loss of presence, and of place where it is known, on pictures alone."""
    weights = _positive_weights(pictures, recipe.positive_weight)

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        known = _draw_batch(pictures, batch, generator, recipe.augmentation)
        if recipe.picture_mixed:
            known = _mix_pictures(known, recipe.picture_mixed, generator)
        with _autocast(generator, recipe.bf16):
            evidence = network.evidence(_add_grain(known.inputs, recipe.pixel_noise, generator)).float()
        return _told_loss(network, evidence, known, weights, recipe)

    return loss


def classifier_loss(
    network: CompactClassifier, autoencoder: CompactAutoencoder, pictures: PictureSet, recipe: ClassifierRecipe
) -> Loss:
    """The loss of presence, and of place where it is known, on pictures and on what the decoder makes.

    Half of a batch are pictures. The others are decoded: some from the latent of one patient, the rest from between
    those of two, with labels as far between (manifold mixup, arXiv 1806.05236). So the score of a reconstruction means
    what that of a picture does, and it changes steadily along the latent where a shift leads.
    """
    weights = _positive_weights(pictures, recipe.positive_weight)

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        known = _draw_batch(pictures, batch, generator, recipe.augmentation)
        half = len(batch) // 2
        pictured = known.rows(slice(half))
        with _autocast(generator, recipe.bf16):
            decoded = _decode_between(autoencoder, known.rows(slice(half, None)), recipe, generator)
            shown = [pictured.inputs, decoded.inputs]
            if recipe.consistency:
                with torch.no_grad():
                    shown.append(autoencoder(pictured.inputs).float())
            if recipe.picture_mixed:
                pictured = _mix_pictures(pictured, recipe.picture_mixed, generator)
                shown[0] = pictured.inputs
            evidence = network.evidence(_add_grain(torch.cat(shown), recipe.pixel_noise, generator)).float()
        told = _Known(
            torch.cat(shown[:2]),
            torch.cat([pictured.labels, decoded.labels]),
            torch.cat([pictured.maps, decoded.maps]),
            torch.cat([pictured.mapped, decoded.mapped]),
        )
        total = _told_loss(network, evidence[: len(batch)], told, weights, recipe)
        if recipe.consistency:
            logits = network.pool(evidence)
            total = total + recipe.consistency * (logits[:half] - logits[len(batch) :]).abs().mean()
        return total

    return loss


def prior_logits(labels: Tensor) -> Tensor:
    """(F,) float32 logits of how often each finding is present: where a training starts.

    ``labels`` (N, F) are float32: 1, 0, or NaN for unknown, which does not count.
    """
    share = labels.nan_to_num(0.0).sum(0) / (~labels.isnan()).sum(0).clamp(min=1)
    return torch.logit(share.clamp(0.5 / len(labels), 1.0 - 0.5 / len(labels)))


def prior_shift(logits: Tensor, labels: Tensor) -> Tensor:
    """(F,) float64: what to add to logits for their mean probability to be the share of present among the labels.

    ``logits`` (N, F) and ``labels`` (N, F) are float32, the latter 0, 1, or NaN for unknown. Found by bisection: the
    mean rises with the shift.
    """
    known = ~labels.isnan()
    count = known.sum(0).clamp(min=1)
    wanted = torch.sigmoid(prior_logits(labels)).double()
    low, high = (torch.full(wanted.shape, end, dtype=torch.float64) for end in (-30.0, 30.0))
    for _ in range(50):
        middle = (low + high) / 2.0
        below = (torch.sigmoid(logits + middle) * known).sum(0) / count < wanted
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2.0


def _draw_batch(pictures: PictureSet, batch: Tensor, generator: torch.Generator, how: Augmentation) -> _Known:
    maps = pictures.maps[batch].float() / 255.0
    images, maps = augment(to_model_units(pictures.images[batch]), generator, how, maps)
    return _Known(images, pictures.labels[batch], maps, pictures.mapped[batch])


def _decode_between(
    autoencoder: CompactAutoencoder, known: _Known, recipe: ClassifierRecipe, generator: torch.Generator
) -> _Known:
    with torch.no_grad():
        latents = autoencoder.encode(known.inputs).float()
        order, share = _draw_partners(len(latents), recipe.mixed, generator)
        between = _Known(latents, known.labels, known.maps, known.mapped).mix(order, share)
        frames = autoencoder.decode(between.inputs + _noise(latents, recipe.latent_noise, generator)).float()
    return _Known(frames, between.labels, between.maps, between.mapped)


def _mix_pictures(known: _Known, share: float, generator: torch.Generator) -> _Known:
    order, of_other = _draw_partners(len(known.inputs), share, generator)
    return known.mix(order, of_other / 2.0)


def _draw_partners(count: int, mixed: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each row another and how much of it, in [0, 1]; 0 for all but the share ``mixed`` of them."""
    order = torch.randperm(count, generator=generator, device=generator.device)
    share, chance = torch.rand((2, count), generator=generator, device=generator.device)
    return order, torch.where(chance < mixed, share, 0.0)


def _told_loss(
    network: CompactClassifier, evidence: Tensor, told: _Known, weights: Tensor, recipe: ClassifierRecipe
) -> Tensor:
    total = _presence_loss(network.pool(evidence), told.labels, weights, recipe.smooth_label)
    return total + recipe.map_weight * _place_loss(evidence, told) if recipe.map_weight else total


def _presence_loss(logits: Tensor, labels: Tensor, weights: Tensor, smooth: float) -> Tensor:
    known = ~labels.isnan()
    targets = labels.nan_to_num(0.0)
    softened = targets * (1.0 - 2.0 * smooth) + smooth
    loss = functional.binary_cross_entropy_with_logits(logits, softened, reduction="none")
    loss = loss * (1.0 + (weights - 1.0) * targets)
    return (loss * known).sum() / known.sum().clamp(min=1)


def _place_loss(evidence: Tensor, told: _Known) -> Tensor:
    loss = functional.binary_cross_entropy_with_logits(evidence, told.maps, reduction="none")
    return (loss * told.mapped[:, :, None, None]).mean()


def _positive_weights(pictures: PictureSet, exponent: float) -> Tensor:
    return torch.exp(-exponent * prior_logits(pictures.labels))


def _noise(latents: Tensor, share: float, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(latents.shape, generator=generator, device=generator.device)
    return share * latents.detach().float().std() * drawn


def _add_grain(images: Tensor, most: float, generator: torch.Generator) -> Tensor:
    strength = most * UNIT * torch.rand((len(images), 1, 1, 1), generator=generator, device=generator.device)
    return images + strength * torch.randn(images.shape, generator=generator, device=generator.device)


def _autocast(generator: torch.Generator, bf16: bool) -> torch.autocast:
    return torch.autocast(generator.device.type, dtype=torch.bfloat16, enabled=bf16)
