"""The four passes of Latent Shift (arXiv 2102.09475) through a model's networks, for any number of rows.

Rows are padded to what the model's runtime takes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import Float32Array

from .model import Model
from .runtime import Eager, Shapes

PROBABILITY_SLACK = 1e-4
"""How far outside [0, 1] a score may lie: the rounding of a rescaled one."""


class Passes:
    """Encode, score, gradient and probe of one model, in its runtime.

    ``shapes`` are those of the eager passes in torch; any other runtime has its own. Raises ValueError where ``shapes``
    are given for a model with a runtime.
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
        """``images`` (N, 1, H, W) float32 in model units to latents (N, ...) float32."""
        (latents,) = in_chunks(lambda x: (self.runtime.encode(x),), self.shapes.encode, images.to(self.device))
        return latents

    def score(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, H, W) float32 in model units to scores (N, F) float32, as the model gives them."""
        (scores,) = in_chunks(lambda x: (self.runtime.score(x),), self.shapes.encode, images.to(self.device))
        return scores

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """``latents`` (R, ...) float32 in latent units to frames (R, 1, H, W) in model units and scores (R, F).

        Both are float32; what is no probability is left as it is.
        """
        frames, scores = in_chunks(self.runtime.probe, self.shapes.probe, latents)
        return frames, scores

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The latent gradients g = d f(D(z))[c] / dz of each row's own findings (arXiv 2102.09475, equation 1).

        ``latents`` (R, ...) float32 in latent units and ``columns`` (R, J) int64 to gradients (R, J, ...) float32 in
        score per latent unit, and what the forward pass met on its way: frames D(z) (R, 1, H, W) and scores (R, F),
        which are those of ``probe`` but for rounding.
        """
        columns = columns.to(self.device)
        gradients, frames, scores = in_chunks(self.runtime.differentiate, self.shapes.gradient, latents, columns)
        return gradients, frames, scores


def in_chunks(call: Callable[..., tuple[Tensor, ...]], rows: int, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Run ``call`` on chunks of exactly ``rows`` rows, the last one padded by repeating its final row.

    ``inputs`` (N, ...), of any type, share their rows; each output is (N, ...) of the type of its call's.
    """
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
    """``scores`` (N, F), of any type, to (N, F) float32 in [0, 1] on the CPU; what is no probability reads as NaN.

    That is NaN, or outside [0, 1]: ``PROBABILITY_SLACK`` lets a rescaled score end a rounding error outside.
    """
    read = scores.float().cpu().numpy()
    proper = (read >= -PROBABILITY_SLACK) & (read <= 1.0 + PROBABILITY_SLACK)
    return np.where(proper, read, np.float32(np.nan))
