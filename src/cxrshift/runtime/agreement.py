"""Whether a runtime gives the answers of the networks themselves. One that does not is refused, however fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor

from ..core.model import Model
from ..core.passes import Passes


@dataclass(frozen=True)
class Difference:
    """How far apart two runtimes are: by definition ‖a − b‖ / ‖b‖, but of scores the largest |a − b|.

    ``latents``, ``frames`` and ``gradients``: ≥ 0, a share of the norm. ``scores``: a difference in [0, 1].
    """

    latents: float
    frames: float
    scores: float
    gradients: float
    """≥ 0, a share of the norm."""

    def within(self, limit: Difference) -> bool:
        """Whether none is over its limit; NaN is over any."""
        return all(getattr(self, name) <= getattr(limit, name) for name in self.__dataclass_fields__)


LIMITS: Final[Mapping[str, Difference]] = MappingProxyType(
    {
        "float32": Difference(latents=1e-3, frames=1e-3, scores=1e-4, gradients=1e-2),
        "tfloat32": Difference(latents=1e-2, frames=1e-2, scores=5e-3, gradients=5e-2),
        "bfloat16": Difference(latents=1e-3, frames=5e-2, scores=2e-2, gradients=1e-2),
        "float16": Difference(latents=1e-3, frames=1e-2, scores=5e-3, gradients=1e-2),
    }
)
"""By precision. Latents and gradients are of float32 but for tfloat32; rectifiers that open by a hair make the latter
differ most."""


def compare(model: Model, reference: Model) -> Difference:
    """``model`` against ``reference``, which has the same networks, on a picture like a radiograph.

    Decodes and differentiates the reference's own latent, so that each pass is held against its twin alone.
    """
    ours, theirs = Passes(model), Passes(reference)
    images = _picture(model)
    expected = theirs.encode(images)
    columns = torch.tensor([[i for i, finding in enumerate(model.spec.findings) if finding.trained][:1]])
    gradients, frames, scores = ours.differentiate(expected, columns)
    right_gradients, right_frames, right_scores = theirs.differentiate(expected, columns)
    probed, probed_scores = ours.probe(expected)
    score_pairs = ((scores, right_scores), (probed_scores, right_scores), (ours.score(images), theirs.score(images)))
    return Difference(
        latents=_relative(ours.encode(images), expected),
        frames=max(_relative(frames, right_frames), _relative(probed, right_frames)),
        scores=max(float((a - b).abs().max()) for a, b in score_pairs),
        gradients=_relative(gradients, right_gradients),
    )


def _relative(found: Tensor, expected: Tensor) -> float:
    norm = float(torch.linalg.vector_norm(expected.double()))
    difference = float(torch.linalg.vector_norm((found - expected).double()))
    return difference / norm if norm else difference


def _picture(model: Model) -> Tensor:
    """(1, 1, S, S) in model units: two dark lungs in a brighter chest, with ribs."""
    low, high = model.spec.input_range
    steps = torch.linspace(-1.0, 1.0, model.spec.input_size)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    lungs = torch.exp(-(((x.abs() - 0.45) / 0.25) ** 2) - (y / 0.6) ** 2)
    ribs = 0.06 * torch.sin(18.0 * (y + 0.3 * x**2))
    grey = (0.75 - 0.25 * x**2 - 0.45 * lungs + ribs).clamp(0.0, 1.0)
    return (low + (high - low) * grey)[None, None]
