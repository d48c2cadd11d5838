"""A runtime of ONNX files: every pass, the latent gradient too, in a library that knows nothing of torch's graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..core.passes import in_chunks
from ..core.runtime import Shapes
from .exports import Exports
from .sessions import Session

Opener = Callable[[Path, str, str], Session]
"""An ONNX file, a device and a precision to a session."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A model's exported passes.

    Encoder and gradient are always of float32: where an explanation begins and its direction are what it rests on.
    """

    name: str
    precision: str
    shapes: Shapes
    findings: int
    """F: columns of the scores."""
    encoder: Session
    scorer: Session
    prober: Session
    gradient: Session
    shares_forward: bool = False

    def encode(self, images: Tensor) -> Tensor:
        """As ``Runtime.encode``."""
        return self.encoder(images)[0]

    def score(self, images: Tensor) -> Tensor:
        """As ``Runtime.score``."""
        return self.scorer(images)[0]

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As ``Runtime.probe``."""
        frames, scores = self.prober(latents)
        return frames, scores

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As ``Runtime.differentiate``; frames and scores in the precision of ``probe``."""
        calls = [self.gradient(latents, one_hot(own, self.findings).float()) for own in columns.T]
        _, frames, scores = calls[0]
        if self.precision != "float32":
            frames, scores = in_chunks(self.probe, self.shapes.probe, latents)
        return torch.stack([found for found, _, _ in calls], 1), frames, scores


def open_exports(name: str, opener: Opener, exports: Exports, device: str, precision: str, findings: int) -> Exported:
    """The runtime ``name`` of a model's exports. Raises ModelError where its library cannot run them."""

    def opened(which: str, wanted: str) -> Session:
        return opener(exports.path(which), device, wanted)

    return Exported(
        name=name,
        precision=precision,
        shapes=exports.shapes,
        findings=findings,
        encoder=opened("encode", "float32"),
        scorer=opened("score", precision),
        prober=opened("probe", precision),
        gradient=opened("gradient", "float32"),
    )
