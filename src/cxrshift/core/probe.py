"""Ragged batches of shifts, and the only place that cuts them to a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift_api.types import Float32Array

from .passes import Passes, probabilities


@dataclass(frozen=True)
class Targets:
    """One entry per explanation asked for: its latent, its own gradient and its reconstruction.

    ``latents`` and ``gradients`` (T, ...), ``reconstructions`` (T, 1, H, W) in model units, ``columns`` (T,) the
    finding's column, ``start`` (T,) float32 its score on the reconstruction (NaN if that is no probability),
    ``squared_norms`` (T,) float64 ‖g‖².
    """

    latents: Tensor
    gradients: Tensor
    reconstructions: Tensor
    columns: NDArray[np.int64]
    start: Float32Array
    squared_norms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.columns)

    def take(self, indices: list[int]) -> Targets:
        """Some of the targets, in the order of ``indices``."""
        rows = torch.tensor(indices, device=self.latents.device)
        return Targets(
            self.latents[rows],
            self.gradients[rows],
            self.reconstructions[rows],
            self.columns[indices],
            self.start[indices],
            self.squared_norms[indices],
        )


@dataclass(frozen=True)
class Rows:
    """A ragged batch: row i shifts target ``owners[i]`` by ``lambdas[i]``."""

    owners: NDArray[np.int64]
    lambdas: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.owners)

    @classmethod
    def join(cls, parts: list[tuple[int, NDArray[np.float64]]]) -> Rows:
        """Rows of several owners, one after the other."""
        owners = [np.full(len(lambdas), owner, dtype=np.int64) for owner, lambdas in parts]
        return cls(np.concatenate(owners), np.concatenate([lambdas for _, lambdas in parts]))


@dataclass(frozen=True)
class Probed:
    """A run of rows: ``frames`` (r, 1, H, W) float32 in model units, ``scores`` (r, F), NaN where no probability."""

    rows: Rows
    frames: Tensor
    scores: Float32Array


def aim(passes: Passes, latents: Tensor, images: list[int], columns: list[int]) -> Targets:
    """A target for each pair of a row of ``latents`` and a finding's column."""
    own = latents[torch.tensor(images, device=latents.device)]
    chosen = np.array(columns, dtype=np.int64)
    gradients, frames, scores = passes.differentiate(own, torch.from_numpy(chosen))
    start = probabilities(scores)[np.arange(len(chosen)), chosen]
    squares = sums([gradient.double().square() for gradient in gradients])
    return Targets(own, gradients, frames.float(), chosen, start, squares)


def probe(passes: Passes, targets: Targets, rows: Rows, *, budget: int) -> Iterator[Probed]:
    """x(λ) = D(z + λ g) and its scores, for every row, at most ``budget`` rows in memory at once."""
    for first in range(0, len(rows), budget):
        part = Rows(rows.owners[first : first + budget], rows.lambdas[first : first + budget])
        owners = torch.from_numpy(part.owners).to(targets.latents.device)
        shape = (-1, *[1] * (targets.latents.ndim - 1))
        lambdas = torch.from_numpy(part.lambdas.astype(np.float32)).to(targets.latents).reshape(shape)
        frames, scores = passes.probe(targets.latents[owners] + lambdas * targets.gradients[owners])
        yield Probed(part, frames.float(), probabilities(scores))


def sums(images: Iterable[Tensor]) -> NDArray[np.float64]:
    """The sum of each tensor, each on its own, so that no neighbour alters the rounding; one transfer for all."""
    return torch.stack([image.sum(dtype=torch.float64) for image in images]).cpu().numpy()
