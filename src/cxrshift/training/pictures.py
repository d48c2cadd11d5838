"""Radiographs with labels, read once and kept as one array file: what the networks for real radiographs learn from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..core.preprocess import square_pixels
from ..image.radiograph import Radiograph
from .failures import PicturesError
from .splits import Split, split_of

MAP_STRIDE = 8
"""Pixels along each side of one place of the classifier's evidence."""
_SIDES = range(32, 1025, 16)


@dataclass(frozen=True)
class PictureSet:
    """N pictures of S x S and what is known of F findings on each."""

    findings: tuple[str, ...]
    groups: tuple[str, ...]
    """For each picture its patient, or those who share a picture."""
    images: Tensor
    """(N, S, S) uint8 over the whole range of tones."""
    labels: Tensor
    """(N, F) float32: 1 present, 0 absent, NaN unknown."""
    maps: Tensor
    """(N, F, S / 8, S / 8) uint8: the share of each place that the finding's mask covers, times 255."""
    mapped: Tensor
    """(N, F) bool: whether the map is known. That of an absent finding is: it is empty."""
    split_seed: int = 0
    """That of ``split_of``, from 0."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def side(self) -> int:
        """Pixels along each side of a picture."""
        return int(self.images.shape[-1])

    @property
    def splits(self) -> tuple[Split, ...]:
        """For each picture what it is for, by its patient alone."""
        return tuple(split_of(group, self.split_seed) for group in self.groups)

    def part(self, split: Split) -> PictureSet:
        """The pictures of one split. Raises PicturesError where there is none."""
        rows = [row for row, one in enumerate(self.splits) if one is split]
        if not rows:
            raise PicturesError(
                f"No picture falls into the split {split}: there are too few patients, or one --split-seed "
                "that leaves it empty."
            )
        chosen = torch.tensor(rows)
        tensors = {name: getattr(self, name)[chosen] for name in _TENSORS}
        return replace(self, groups=tuple(self.groups[row] for row in rows), **tensors)

    def of_findings(self, findings: Sequence[str]) -> PictureSet:
        """The same pictures with these findings alone, in this order. Raises PicturesError for one that is not there.

        Pictures of which none of them is known are left out.
        """
        missing = [name for name in findings if name not in self.findings]
        if missing:
            raise PicturesError(f"No label names {', '.join(missing)}; there are {', '.join(self.findings)}.")
        columns = torch.tensor([self.findings.index(name) for name in findings])
        rows = torch.nonzero(~self.labels[:, columns].isnan().all(1)).flatten()
        narrowed = {name: getattr(self, name)[rows][:, columns] for name in ("labels", "maps", "mapped")}
        groups = tuple(self.groups[row] for row in rows.tolist())
        return replace(self, findings=tuple(findings), groups=groups, images=self.images[rows], **narrowed)

    def to(self, device: str) -> PictureSet:
        """The same with its tensors on ``device``."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})

    def count(self, value: int) -> tuple[int, ...]:
        """For each finding how many labels are ``value``: 1 present, 0 absent."""
        return tuple(int(n) for n in (self.labels == value).sum(0))

    def digest(self) -> str:
        """16 hexadecimal digits that change with any of it."""
        digest = hashlib.sha256(repr((self.findings, self.groups, self.split_seed)).encode())
        for name in _TENSORS:
            digest.update(np.ascontiguousarray(getattr(self, name).cpu().numpy()).tobytes())
        return digest.hexdigest()[:16]


_TENSORS = tuple(f.name for f in fields(PictureSet) if f.name in ("images", "labels", "maps", "mapped"))


@dataclass(frozen=True)
class Picture:
    """One picture as it is read.

    ``pixels`` (S, S) uint8. ``shares`` (S / 8, S / 8) uint8: for each finding named, how much of each place its mask
    covers, times 255.
    """

    pixels: NDArray[np.uint8]
    shares: dict[str, NDArray[np.uint8]]


def shrink(radiograph: Radiograph, masks: dict[str, NDArray[np.float32]], side: int) -> Picture:
    """The central square at ``side`` pixels; ``masks`` (H, W) in [0, 1], as the radiograph, at an eighth of them."""
    pixels = (square_pixels(radiograph, side) * 255).round().to(torch.uint8).numpy()
    return Picture(pixels, {finding: _shrink_mask(mask, side // MAP_STRIDE) for finding, mask in masks.items()})


def assemble(
    pictures: Sequence[Picture],
    labels: NDArray[np.float32],
    findings: Sequence[str],
    groups: Sequence[str],
    split_seed: int,
) -> PictureSet:
    """Pictures in the order of ``labels`` (N, F) and ``groups`` as one set."""
    places = pictures[0].pixels.shape[0] // MAP_STRIDE
    maps = np.zeros((len(pictures), len(findings), places, places), dtype=np.uint8)
    mapped = labels == 0
    for row, picture in enumerate(pictures):
        for column, finding in enumerate(findings):
            if finding in picture.shares:
                maps[row, column], mapped[row, column] = picture.shares[finding], True
    images = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
    known = (torch.from_numpy(labels), torch.from_numpy(maps), torch.from_numpy(mapped))
    return PictureSet(tuple(findings), tuple(groups), images, *known, split_seed)


def keep(cache: Path, key: str, side: int, split_seed: int, read: Callable[[], PictureSet]) -> PictureSet:
    """What ``read`` returns, from a file in ``cache`` where it was kept before under the same ``key``.

    Raises PicturesError where ``side`` is none that the networks take.
    """
    if side not in _SIDES:
        raise PicturesError(f"The side must be a multiple of 16 from {_SIDES[0]} to {_SIDES[-1]} pixels.")
    file = cache / f"pictures-{side}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not file.is_file():
        pictures = read()
        buffer = io.BytesIO()
        np.savez(
            buffer,
            findings=np.array(pictures.findings),
            groups=np.array(pictures.groups),
            **{name: getattr(pictures, name).numpy() for name in _TENSORS},
        )
        cache.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(buffer.getbuffer())
        part.replace(file)
    with np.load(file, allow_pickle=False) as stored:
        findings, groups = (tuple(stored[name].tolist()) for name in ("findings", "groups"))
        images, labels, maps, mapped = (torch.from_numpy(stored[name]) for name in _TENSORS)
        return PictureSet(findings, groups, images, labels, maps, mapped, split_seed)


def _shrink_mask(mask: NDArray[np.float32], places: int) -> NDArray[np.uint8]:
    side = min(mask.shape)
    top, left = (mask.shape[0] - side) // 2, (mask.shape[1] - side) // 2
    square = torch.from_numpy(np.ascontiguousarray(mask[top : top + side, left : left + side]))
    shares = functional.adaptive_avg_pool2d(square[None], places)[0]
    return (shares * 255).round().to(torch.uint8).numpy()
