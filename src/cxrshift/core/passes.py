"""The four passes through a model's networks, for any number of rows: padded to what its runtime takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import Float32Array

from .model import Model
from .runtime import Eager, Shapes

PROBABILITY_SLACK = 1e-4


class Passes:
    """Encode, score, gradient and probe of one model, in its runtime.

    ``shapes`` are those of the eager passes in torch; any other runtime has its own.
    """

    def __init__(self, model: Model, shapes: Shapes | None = None) -> None:
        if model.runtime is not None and shapes is not None:
            raise ValueError(f"the runtime {model.runtime.name} was made for shapes of its own")
        self.networks = model.networks
        self.device = torch.device(model.device)
        self.runtime = model.runtime or Eager(model.networks, shapes or Shapes.for_device(model.device))

    @property
    def shapes(self) -> Shapes:
        """Rows in one call of each pass."""
        return self.runtime.shapes

    def encode(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) model units to latents (N, ...)."""
        (latents,) = in_chunks(lambda x: (self.runtime.encode(x),), self.shapes.encode, images.to(self.device))
        return latents

    def score(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) model units to scores (N, F)."""
        (scores,) = in_chunks(lambda x: (self.runtime.score(x),), self.shapes.encode, images.to(self.device))
        return scores

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (R, ...) to frames (R, 1, H, W) in model units and scores (R, F)."""
        frames, scores = in_chunks(self.runtime.probe, self.shapes.probe, latents)
        return frames, scores

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The latent gradients g = d f(D(z))[c] / dz of each row's own findings (arXiv 2102.09475, equation 1).

        ``latents`` (R, ...) and ``columns`` (R, J) int64 to gradients (R, J, ...), and what the forward pass met on
        its way: frames D(z) (R, 1, H, W) and scores (R, F), which are those of ``probe`` but for rounding.
        """
        columns = columns.to(self.device)
        gradients, frames, scores = in_chunks(self.runtime.differentiate, self.shapes.gradient, latents, columns)
        return gradients, frames, scores


def in_chunks(call: Callable[..., tuple[Tensor, ...]], rows: int, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Run ``call`` on chunks of exactly ``rows`` rows, the last one padded by repeating its final row."""
    total = inputs[0].shape[0]
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, total, rows):
        chunk = [tensor[start : start + rows] for tensor in inputs]
        present = chunk[0].shape[0]
        if present < rows:
            chunk = [torch.cat([c, c[-1:].expand(rows - present, *c.shape[1:])]) for c in chunk]
        parts.append(tuple(output[:present] for output in call(*chunk)))
    return tuple(torch.cat(columns) for columns in zip(*parts, strict=True))


def probabilities(scores: Tensor) -> Float32Array:
    """Scores as float32 on the CPU; what is no probability (NaN, or outside [0, 1]) reads as NaN.

    ``PROBABILITY_SLACK`` lets a rescaled score end a rounding error outside.
    """
    read = scores.float().cpu().numpy()
    proper = (read >= -PROBABILITY_SLACK) & (read <= 1.0 + PROBABILITY_SLACK)
    return np.where(proper, read, np.float32(np.nan))
