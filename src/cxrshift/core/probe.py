"""Ragged batches of shifts, and the only place that cuts them to a budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .passes import Passes


@dataclass(frozen=True)
class Targets:
    """One entry per explanation asked for: its latent, its own gradient and its reconstruction.

    ``latents`` and ``gradients`` (T, ...), ``reconstructions`` (T, 1, H, W) in model units, ``columns`` (T,) the
    finding's column, ``start`` (T,) float32 its score on the reconstruction.
    """

    latents: Tensor
    gradients: Tensor
    reconstructions: Tensor
    columns: NDArray[np.int64]
    start: NDArray[np.float32]


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
    """A run of rows: ``frames`` (r, 1, H, W) in model units, ``scores`` (r, F), ``rows`` what they belong to."""

    rows: Rows
    frames: Tensor
    scores: NDArray[np.float32]


def probe(passes: Passes, targets: Targets, rows: Rows, *, budget: int) -> Iterator[Probed]:
    """x(λ) = D(z + λ g) and its scores, for every row, at most ``budget`` rows in memory at once."""
    for first in range(0, len(rows), budget):
        part = Rows(rows.owners[first : first + budget], rows.lambdas[first : first + budget])
        owners = torch.from_numpy(part.owners).to(targets.latents.device)
        shape = (-1, *[1] * (targets.latents.ndim - 1))
        lambdas = torch.from_numpy(part.lambdas.astype(np.float32)).to(targets.latents).reshape(shape)
        frames, scores = passes.probe(targets.latents[owners] + lambdas * targets.gradients[owners])
        yield Probed(part, frames, scores.float().cpu().numpy())
