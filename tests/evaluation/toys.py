"""A model whose every map is known, and samples that it can be held against."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cxrshift.evaluation.samples import Sample, Samples
from cxrshift.image.radiograph import Radiograph

SIDE = 16


class CornerModel(nn.Module):
    """Two findings: the brightness of the upper left quarter, and that of the lower right; a perfect autoencoder.

    So every map of "Upper" is its quarter and nothing else, and the same of "Lower". The rectifier, which nothing ever
    touches, is there for guided backpropagation.
    """

    findings = ("Upper", "Lower")
    input_size = SIDE
    input_range = (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        weights = torch.zeros(2, SIDE, SIDE)
        weights[0, : SIDE // 2, : SIDE // 2] = weights[1, SIDE // 2 :, SIDE // 2 :] = 4 / SIDE**2
        self.weights = nn.Parameter(weights.flatten(1), requires_grad=False)
        self.scale = nn.Parameter(torch.tensor(6.0), requires_grad=False)

    def encode(self, images: Tensor) -> Tensor:
        return images

    def decode(self, latents: Tensor) -> Tensor:
        return latents

    def score(self, images: Tensor) -> Tensor:
        means = torch.relu(images.flatten(1) @ self.weights.T)
        return torch.sigmoid(self.scale * (means - 0.5))


def corner(upper: bool, side: int = SIDE) -> np.ndarray:
    """The upper left or the lower right quarter as a mask."""
    mask = np.zeros((side, side), dtype=np.bool_)
    half = side // 2
    mask[(slice(0, half),) * 2 if upper else (slice(half, side),) * 2] = True
    return mask


def sample(i: int, *, group: str = "", swapped: bool = False) -> Sample:
    """A grey radiograph with both findings, whose masks are the quarters, or each other's where ``swapped``."""
    pixels = np.random.default_rng(i).uniform(0.4, 0.7, (SIDE, SIDE)).astype(np.float32)
    masks = {"Upper": corner(not swapped), "Lower": corner(swapped)}
    changes = {finding: 0.5 * mask.astype(np.float32) for finding, mask in masks.items()}
    return Sample(f"sample-{i}", group or f"patient-{i}", Radiograph(pixels), ("Upper", "Lower"), masks, changes)


def samples(n: int = 4, *, swapped: bool = False) -> Samples:
    """``n`` of them, two for each patient."""
    return Samples("toys", n, lambda i: sample(i, group=f"patient-{i // 2}", swapped=swapped))
