"""How the passes of Latent Shift (arXiv 2102.09475) are run, each on exactly as many rows as its shape says.

One shape is what can be compiled, captured or exported; it is also what makes a result independent of its neighbours: a
convolution may choose another algorithm for another batch size, and then differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Decode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Latents (R, ...) to frames D(z) (R, 1, H, W) and scores f(D(z)) (R, F)."""


@dataclass(frozen=True)
class Shapes:
    """Rows in one call of each pass.

    A CPU gains little from wider calls (5.5 ms a row at 4, 5.2 ms at 8 for the small networks), so it pads little.
    """

    encode: int = 1
    """Radiographs in one call of the encoder and of the classifier, at least 1."""
    gradient: int = 1
    """Latents in one call of the gradient pass, at least 1."""
    probe: int = 4
    """Shifted latents in one call of decoder and classifier, at least 1."""

    @classmethod
    def for_device(cls, device: str) -> Shapes:
        """Wide calls for an accelerator, narrow ones for a CPU."""
        return cls() if device == "cpu" else cls(encode=8, gradient=8, probe=64)


class Runtime(Protocol):
    """Runs one model's passes. Tensors come and go where the model's device is, float32, without a graph behind them.

    Every row is on its own: what else is in a call alters no bit of it.
    """

    @property
    def name(self) -> str:
        """As manifests and receipts name it."""
        ...

    @property
    def precision(self) -> str:
        """Of the matrix products in score and probe: float32, tfloat32, bfloat16 or float16."""
        ...

    @property
    def shapes(self) -> Shapes:
        """Rows in each call."""
        ...

    @property
    def shares_forward(self) -> bool:
        """Whether the gradients of several findings of one latent share their forward pass."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (shapes.encode, 1, H, W) float32 in model units to latents (shapes.encode, ...) float32."""
        ...

    def score(self, images: Tensor) -> Tensor:
        """``images`` (shapes.encode, 1, H, W) float32 in model units to scores (shapes.encode, F) float32."""
        ...

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (shapes.probe, 1, H, W) in model units and scores (shapes.probe, F), both float32.

        ``latents`` (shapes.probe, ...) are float32 in latent units, their λ taken already.
        """
        ...

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients (shapes.gradient, J, ...), in score per latent unit, of J columns of each latent's scores.

        ``latents`` (shapes.gradient, ...) float32 in latent units, ``columns`` (shapes.gradient, J) int64. With the
        gradients come the frames (shapes.gradient, 1, H, W) and scores (shapes.gradient, F) of the latents themselves,
        which are those of ``probe`` but for rounding.
        """
        ...


class Networks(Protocol):
    """The three functions of core.model.LatentModel."""

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, H, W) float32 in model units to latents (N, ...) float32."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """``latents`` (N, ...) float32 in latent units to images (N, 1, H, W) float32 in model units."""
        ...

    def score(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, H, W) float32 in model units to probabilities (N, F) float32 in [0, 1]."""
        ...


@dataclass(frozen=True, eq=False)
class Eager:
    """The networks as they are, in torch: what every other runtime is held against.

    ``name``, ``precision`` and ``shares_forward`` are those of a Runtime.
    """

    networks: Networks
    """The model's own."""
    shapes: Shapes = Shapes()
    """Rows in each call."""
    name: str = "torch"
    precision: str = "float32"
    shares_forward: bool = True

    def encode(self, images: Tensor) -> Tensor:
        """As ``Runtime.encode``."""
        with torch.no_grad(), products_of(images, tf32=False):
            return self.networks.encode(images)

    def score(self, images: Tensor) -> Tensor:
        """As ``Runtime.score``."""
        with torch.no_grad(), products_of(images, tf32=False):
            return self.networks.score(images)

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As ``Runtime.probe``."""
        with torch.no_grad(), products_of(latents, tf32=False):
            return decode_and_score(self.networks, latents)

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As ``Runtime.differentiate``."""
        with products_of(latents, tf32=False):
            return latent_gradients(lambda leaf: decode_and_score(self.networks, leaf), latents, columns)


@contextmanager
def products_of(rows: Tensor, *, tf32: bool) -> Iterator[None]:
    """On a GPU, float32 products with or without the tensor cores' shortened mantissa, whatever the process is set to.

    torch shortens convolutions unless it is told not to, and a receipt that says float32 must be true. Convolutions
    whose sums are added up in whatever order they come are left out: the same request gives the same bytes. ``rows``,
    of any shape and any type, tell only the device.
    """
    if not rows.is_cuda:
        yield
        return
    matrices = torch.backends.cuda.matmul.allow_tf32
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=tf32):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = matrices


def decode_and_score(networks: Networks, latents: Tensor) -> tuple[Tensor, Tensor]:
    """D(z) (R, 1, H, W) float32 in model units and f(D(z)) (R, F) float32 in [0, 1] of ``latents`` (R, ...) float32.

    That is ``latents`` z in latent units; a λ is in them already.
    """
    frames = networks.decode(latents)
    return frames, networks.score(frames)


def latent_gradients(decode: Decode, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """G = d f(D(z))[c] / dz of each row's own J columns (arXiv 2102.09475, equation 1), frames and scores.

    One forward pass and J backward ones, each of a sum over rows: that gives every row its own gradient, because no
    row's score depends on another row's latent. Where a score does not depend on the latent at all, it is 0.
    ``latents`` (R, ...) float32 in latent units and ``columns`` (R, J) int64 to gradients (R, J, ...), frames (R, 1, H,
    W) and scores (R, F), all float32.
    """
    with torch.enable_grad():
        leaf = latents.detach().clone().requires_grad_(True)
        frames, scores = decode(leaf)
        gradients = torch.zeros(*columns.shape, *leaf.shape[1:], dtype=leaf.dtype, device=leaf.device)
        for j in range(columns.shape[1] if scores.requires_grad else 0):
            own = scores.gather(1, columns[:, j : j + 1]).sum()
            (gradients[:, j],) = torch.autograd.grad(own, leaf, retain_graph=True, materialize_grads=True)
    return gradients, frames.detach(), scores.detach()
