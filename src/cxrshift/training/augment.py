"""The same radiograph, taken a little differently: posed, breathed, exposed. On whole batches, where they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from ..models.compact import UNIT

_ELASTIC_SIDE = 5


@dataclass(frozen=True)
class Augmentation:
    """How far a picture may be changed; 0 = not at all. Lengths are shares of half the picture's side."""

    rotation: float = 0.1
    """Radians to either side."""
    scale: float = 0.12
    """Largest change of the width as a share of it; the height's is up to half as much more."""
    shift: float = 0.06
    """Largest shift along either side, as a share of half of it."""
    shear: float = 0.05
    """Largest shear, as a share of half the side."""
    elastic: float = 0.03
    """Standard deviation of a smooth field of 5 x 5 random displacements."""
    flip: float = 0.0
    """Share of the pictures that are mirrored. A mirrored heart lies on the wrong side."""
    gamma: float = 0.25
    """Largest logarithm, to either side, of the exponent on tones of [0, 1]."""
    contrast: float = 0.1
    """Largest share by which tones are stretched or shrunk."""
    brightness: float = 0.05
    """Largest shift of tones of [0, 1]."""

    def scaled(self, times: float) -> Augmentation:
        """Everything that moves pixels, ``times`` ≥ 0 as strong; tones and flips as they are."""
        moves = ("rotation", "scale", "shift", "shear", "elastic")
        return replace(self, **{name: getattr(self, name) * times for name in moves})


def augment(
    images: Tensor, generator: torch.Generator, how: Augmentation, maps: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Change pictures, and move their maps with them.

    ``images`` (N, 1, S, S) float32 in [-1024, 1024] and ``maps`` (N, F, s, s) float32 to the same, (N, 1, S, S) and
    (N, F, s, s). ``maps`` may be left out; then the second result is empty. Every draw is from ``generator``, on whose
    device all tensors are.
    """
    grid = _draw_grid(len(images), images.shape[-1], generator, how)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    changed = _change_tones(moved, generator, how)
    if maps is None:
        return changed, images.new_empty(0)
    coarse = functional.interpolate(grid.permute(0, 3, 1, 2), size=maps.shape[-2:], mode="area").permute(0, 2, 3, 1)
    return changed, functional.grid_sample(maps, coarse, padding_mode="zeros", align_corners=False)


def _draw_grid(count: int, side: int, generator: torch.Generator, how: Augmentation) -> Tensor:
    """(N, S, S, 2): for each pixel of the result where in the picture, [-1, 1] across, it comes from."""

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device) * 2.0 - 1.0

    angle, wide = draw(count) * how.rotation, 1.0 + draw(count) * how.scale
    high = wide * (1.0 + draw(count) * how.scale / 2.0)
    mirrored = torch.where(draw(count) < 2.0 * how.flip - 1.0, -1.0, 1.0)
    affine = torch.stack(
        [
            torch.stack([mirrored * angle.cos() * wide, draw(count) * how.shear - angle.sin() * high], 1),
            torch.stack([mirrored * angle.sin() * wide, angle.cos() * high], 1),
        ],
        1,
    )
    place = draw(count, 2, 1) * how.shift
    grid = functional.affine_grid(torch.cat([affine, place], 2), [count, 1, side, side], align_corners=False)
    shape = (count, 2, _ELASTIC_SIDE, _ELASTIC_SIDE)
    field = torch.randn(shape, generator=generator, device=generator.device) * how.elastic
    field = functional.interpolate(field, size=(side, side), mode="bicubic", align_corners=True)
    return grid + field.permute(0, 2, 3, 1)


def _change_tones(images: Tensor, generator: torch.Generator, how: Augmentation) -> Tensor:
    """Exposure as a power, then contrast and brightness, on the scale [0, 1]; what leaves it is clipped."""
    draws = torch.rand((3, len(images), 1, 1, 1), generator=generator, device=generator.device) * 2.0 - 1.0
    tones = ((images / UNIT + 1.0) / 2.0).clamp(0.0, 1.0) ** torch.exp(draws[0] * how.gamma)
    tones = tones * (1.0 + draws[1] * how.contrast) + draws[2] * how.brightness
    return (tones.clamp(0.0, 1.0) * 2.0 - 1.0) * UNIT
