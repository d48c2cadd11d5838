"""Ragged batches of shifts x(λ) = D(z + λ g) (arXiv 2102.09475), and the only place that cuts them to a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift_api.types import Float32Array

from .passes import Passes, in_chunks, probabilities

_SUMMED = 64
"""Tensors that a GPU sums at once."""


@dataclass(frozen=True)
class Targets:
    """One entry per explanation asked for, and what those of one radiograph have in common.

    N radiographs: ``latents`` (N, ...) float32, ``reconstructions`` (N, 1, H, W) float32 in model units and their
    ``scores`` (N, F) float32 in [0, 1], NaN where no probability. T targets: ``images`` (T,) each one's radiograph, in
    [0, N), ``columns`` (T,) its finding's column, ``gradients`` (T, ...) float32 in score per latent unit,
    ``squared_norms`` (T,) float64 ‖g‖².
    """

    latents: Tensor
    reconstructions: Tensor
    scores: Float32Array
    images: NDArray[np.int64]
    columns: NDArray[np.int64]
    gradients: Tensor
    squared_norms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def start(self) -> Float32Array:
        """(T,) float32 in [0, 1]: each target's own score on its reconstruction, NaN where no probability."""
        return self.scores[self.images, self.columns]

    def reconstructions_of(self, targets: NDArray[np.int64]) -> Tensor:
        """The reconstruction (r, 1, H, W), float32 in model units, of each of ``targets`` (r,), indices from 0."""
        return self.reconstructions[torch.from_numpy(self.images[targets]).to(self.reconstructions.device)]

    def take(self, indices: list[int]) -> Targets:
        """Some of the targets, in the order of ``indices``."""
        return replace(
            self,
            images=self.images[indices],
            columns=self.columns[indices],
            gradients=self.gradients[torch.tensor(indices, device=self.gradients.device)],
            squared_norms=self.squared_norms[indices],
        )


@dataclass(frozen=True)
class Rows:
    """A ragged batch: row i shifts target ``owners[i]`` by ``lambdas[i]``."""

    owners: NDArray[np.int64]
    """(r,) int64: indices of targets, from 0."""
    lambdas: NDArray[np.float64]
    """(r,) float64 in the model's λ unit."""

    def __len__(self) -> int:
        return len(self.owners)

    @classmethod
    def join(cls, parts: list[tuple[int, NDArray[np.float64]]]) -> Rows:
        """Rows of several owners, one after the other; of none, no rows.

        ``parts`` are owners with their λs, (K,) each.
        """
        if not parts:
            return cls(np.zeros(0, dtype=np.int64), np.zeros(0))
        owners = [np.full(len(lambdas), owner, dtype=np.int64) for owner, lambdas in parts]
        return cls(np.concatenate(owners), np.concatenate([lambdas for _, lambdas in parts]))


@dataclass(frozen=True)
class Probed:
    """A run of rows and what came of them.

    ``frames`` (r, 1, H, W) float32 in model units, ``scores`` (r, F) in [0, 1], NaN where no probability.
    """

    rows: Rows
    """Which rows they are."""
    frames: Tensor
    scores: Float32Array


def aim(passes: Passes, latents: Tensor, images: list[int], columns: list[int]) -> Targets:
    """A target for each pair of a row of ``latents`` (N, ...), float32 in latent units, and a finding's column.

    A radiograph is decoded and scored once for as many of its findings as saves time: each has a backward pass of its
    own.
    """
    own = list(dict.fromkeys(images))
    shared = latents[torch.tensor(own, device=latents.device)]
    rows = [own.index(image) for image in images]
    gradients: dict[int, Tensor] = {}
    forward: dict[int, tuple[Tensor, Tensor]] = {}
    share = None if passes.runtime.shares_forward else 1
    for call in gradient_calls(rows, passes.shapes.gradient, most=share):
        wide = max(len(slot) for slot in call)
        wanted = torch.tensor([[columns[t] for t in slot] + [columns[slot[-1]]] * (wide - len(slot)) for slot in call])
        places = [rows[slot[0]] for slot in call]
        found, frames, scores = passes.differentiate(shared[torch.tensor(places, device=shared.device)], wanted)
        for i, slot in enumerate(call):
            gradients.update((target, found[i, j]) for j, target in enumerate(slot))
            forward[places[i]] = frames[i], scores[i]
    ordered = torch.stack([gradients[target] for target in range(len(columns))])
    return Targets(
        latents=shared,
        reconstructions=torch.stack([forward[row][0] for row in range(len(own))]).float(),
        scores=probabilities(torch.stack([forward[row][1] for row in range(len(own))])),
        images=np.array(rows, dtype=np.int64),
        columns=np.array(columns, dtype=np.int64),
        gradients=ordered,
        squared_norms=sums(ordered.double().square()),
    )


def gradient_calls(rows: Sequence[int], width: int, *, most: int | None = None) -> list[list[list[int]]]:
    """The calls of the gradient pass for targets of the radiographs ``rows``, each of at most ``width`` slots.

    A slot holds the targets of one radiograph that share a forward pass. A call costs that and as many backward passes
    as its fullest slot has targets, about the same each; how many may share, up to ``most``, is what makes the whole
    cheapest.
    """
    targets: dict[int, list[int]] = {}
    for target, row in enumerate(rows):
        targets.setdefault(row, []).append(target)

    def calls(share: int) -> list[list[list[int]]]:
        slots = [own[i :: -(-len(own) // share)] for own in targets.values() for i in range(-(-len(own) // share))]
        slots.sort(key=len)
        return [slots[first : first + width] for first in range(0, len(slots), width)]

    def cost(some: list[list[list[int]]]) -> int:
        return sum(1 + max(map(len, call)) for call in some)

    fullest = max(map(len, targets.values()))
    return min((calls(share) for share in range(1, 1 + (fullest if most is None else min(most, fullest)))), key=cost)


def probe(passes: Passes, targets: Targets, rows: Rows, *, budget: int) -> Iterator[Probed]:
    """x(λ) = D(z + λ g) and its scores, for every row, at most ``budget`` rows in memory at once."""
    for first in range(0, len(rows), budget):
        part = Rows(rows.owners[first : first + budget], rows.lambdas[first : first + budget])
        owners = torch.from_numpy(part.owners).to(targets.latents.device)
        shape = (-1, *[1] * (targets.latents.ndim - 1))
        lambdas = torch.from_numpy(part.lambdas.astype(np.float32)).to(targets.latents).reshape(shape)
        images = torch.from_numpy(targets.images[part.owners]).to(targets.latents.device)
        frames, scores = passes.probe(targets.latents[images] + lambdas * targets.gradients[owners])
        yield Probed(part, frames.float(), probabilities(scores))


def sums(images: Tensor) -> NDArray[np.float64]:
    """(R,) float64: the sum of each of ``images`` (R, ...), float32 or float64 in any units, each on its own.

    So no neighbour alters the rounding.
    """
    if images.is_cuda:  # a launch for each would take longer than the sums; one shape, so that one is like another

        def of_rows(rows: Tensor) -> tuple[Tensor]:
            return (rows.flatten(1).sum(1, dtype=torch.float64),)

        (found,) = in_chunks(of_rows, _SUMMED, images)
    else:
        found = torch.stack([image.sum(dtype=torch.float64) for image in images])
    return found.cpu().numpy()
