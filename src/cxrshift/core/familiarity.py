"""How far a radiograph's latent lies from those of the radiographs that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Familiarity:
    """A Gaussian over the latents of D numbers: probabilistic PCA (Tipping and Bishop, JRSS B 61, 1999).

    Wide along k principal axes, and equally narrow along all others. Its tensors are on the CPU.
    """

    mean: Tensor
    """(D,) float32: μ, in latent units."""
    basis: Tensor
    """(k, D) float16 or float32: B, orthonormal rows, the principal axes."""
    variances: Tensor
    """(k,) float32: v along each axis, > 0."""
    rest: Tensor
    """() float32: the variance along every other direction, σ², > 0."""

    @cached_property
    def _basis(self) -> Tensor:
        return self.basis.double()

    def distance(self, latent: Tensor) -> float:
        """Mahalanobis distance, ≥ 0, of one latent, as a root mean square over its D numbers: about 1 is ordinary.

        d² = (Σ c_i² / v_i + |z - μ - Bᵀc|² / σ²) / D with c = B (z - μ). ``latent`` (...), of D numbers in any shape
        and float32 in latent units, is taken alone and in float64 on the CPU: the distance does not depend on what is
        explained beside it.
        """
        basis = self._basis
        offset = latent.detach().flatten().cpu().double() - self.mean.double()
        along = basis @ offset
        across = offset - along @ basis
        squared = (along.square() / self.variances.double()).sum() + across.square().sum() / self.rest.double()
        return float((squared / offset.numel()).sqrt())
