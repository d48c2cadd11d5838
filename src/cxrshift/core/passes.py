"""The four passes through the networks, each at one fixed shape.

Every pass pads its input to a fixed number of rows. One shape is what can be compiled, captured or exported; it is
also what makes a result independent of its neighbours: a convolution may choose another algorithm for another batch
size, and then differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import Float32Array

from .model import Model

PROBABILITY_SLACK = 1e-4


@dataclass(frozen=True)
class Shapes:
    """Rows in one call of each pass.

    A CPU gains little from wider calls (5.5 ms a row at 4, 5.2 ms at 8 for the small networks), so it pads little.
    """

    encode: int = 1
    gradient: int = 1
    probe: int = 4

    @classmethod
    def for_device(cls, device: str) -> Shapes:
        """Wide calls for an accelerator, narrow ones for a CPU."""
        return cls() if device == "cpu" else cls(encode=8, gradient=8, probe=64)


class Passes:
    """Encode, score, gradient and probe of one model, eagerly in torch, padded to ``shapes``."""

    def __init__(self, model: Model, shapes: Shapes | None = None) -> None:
        self.networks = model.networks
        self.device = torch.device(model.device)
        self.shapes = shapes or Shapes.for_device(model.device)

    def encode(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) model units to latents (N, ...)."""
        with torch.no_grad():
            (latents,) = in_chunks(lambda x: (self.networks.encode(x),), self.shapes.encode, images.to(self.device))
        return latents

    def score(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) model units to scores (N, F)."""
        with torch.no_grad():
            (scores,) = in_chunks(lambda x: (self.networks.score(x),), self.shapes.encode, images.to(self.device))
        return scores

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (R, ...) to frames (R, 1, H, W) in model units and scores (R, F)."""
        with torch.no_grad():
            frames, scores = in_chunks(self._decode_and_score, self.shapes.probe, latents)
        return frames, scores

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The latent gradients g = d f(D(z))[c] / dz of each row's own findings (arXiv 2102.09475, equation 1).

        ``latents`` (R, ...) and ``columns`` (R, J) int64 to gradients (R, J, ...), and what the one forward pass met
        on its way: frames D(z) (R, 1, H, W) and scores (R, F), which are those of ``probe`` but for rounding. Each of
        the J backward passes is of a sum over rows, which gives every row its own gradient, because no row's score
        depends on another row's latent. Where a score does not depend on the latent at all, its gradient is 0.
        """
        columns = columns.to(self.device)
        gradients, frames, scores = in_chunks(self._differentiate, self.shapes.gradient, latents, columns)
        return gradients, frames, scores

    def _decode_and_score(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        frames = self.networks.decode(latents)
        return frames, self.networks.score(frames)

    def _differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            leaf = latents.detach().clone().requires_grad_(True)
            frames, scores = self._decode_and_score(leaf)
            gradients = torch.zeros(*columns.shape, *leaf.shape[1:], dtype=leaf.dtype, device=leaf.device)
            for j in range(columns.shape[1] if scores.requires_grad else 0):
                own = scores.gather(1, columns[:, j : j + 1]).sum()
                (gradients[:, j],) = torch.autograd.grad(own, leaf, retain_graph=True, materialize_grads=True)
        return gradients, frames.detach(), scores.detach()


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
