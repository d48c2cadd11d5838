"""Augmentation: picture and map move together, by the seed alone."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from cxrshift.training.augment import Augmentation, augment

NOTHING = Augmentation(rotation=0, scale=0, shift=0, shear=0, elastic=0, flip=0, gamma=0, contrast=0, brightness=0)
STRONG = Augmentation(
    rotation=0.5, scale=0.3, shift=0.3, shear=0.2, elastic=0.05, flip=0.5, gamma=0, contrast=0, brightness=0
)


def spots(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth spots on black, and the same as maps of an eighth of the side with a second finding beside."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    shares = torch.exp(-((rows - 24) ** 2 + (columns - 40) ** 2) / 150)[None, None].expand(count, 1, -1, -1)
    maps = functional.avg_pool2d(shares, 8)
    return shares * 2048 - 1024, torch.cat([maps, maps.flip(3)], 1)


def test_no_augmentation_changes_nothing() -> None:
    images, maps = spots(2)
    same, still = augment(images, torch.Generator().manual_seed(0), NOTHING, maps)
    assert torch.allclose(same, images, atol=0.1)
    assert torch.allclose(still, maps, atol=1e-4)


def test_a_map_goes_where_its_picture_goes() -> None:
    images, maps = spots(32)
    moved, followed = augment(images, torch.Generator().manual_seed(1), STRONG, maps)
    pooled = functional.avg_pool2d((moved + 1024) / 2048, 8)
    assert (pooled - maps[:, :1]).abs().mean() > 0.1  # it did move
    inside = (slice(None), slice(0, 1), slice(1, -1), slice(1, -1))  # beyond the edge a map is empty, a picture not
    assert (pooled[inside] - followed[inside]).abs().max() < 0.25  # pooled before or after moving: the slope differs
    assert (pooled[inside] - followed[inside]).abs().mean() < 0.02


def test_the_seed_decides_and_every_picture_gets_its_own() -> None:
    images, _ = spots(3)
    one, again, other = (augment(images, torch.Generator().manual_seed(s), STRONG)[0] for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_flips_mirror_as_many_as_asked_and_tones_stay_in_range() -> None:
    images, maps = spots(200)
    flipped, mirrored = augment(images, torch.Generator().manual_seed(3), Augmentation().scaled(0), maps)
    assert flipped.abs().max() <= 1024
    assert torch.allclose(mirrored, maps, atol=1e-4)
    how = Augmentation(0, 0, 0, 0, 0, flip=0.25, gamma=0, contrast=0, brightness=0)
    flipped, mirrored = augment(images, torch.Generator().manual_seed(3), how, maps)
    turned = (flipped - images.flip(3)).abs().flatten(1).amax(1) < 0.1
    assert int(turned.sum()) == pytest.approx(50, abs=20)
    assert torch.allclose(mirrored[turned], maps[turned].flip(3), atol=1e-4)
