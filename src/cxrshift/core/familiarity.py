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
    """(D,) float."""
    basis: Tensor
    """(k, D) float: orthonormal rows, the principal axes."""
    variances: Tensor
    """(k,) float: along each axis, above 0."""
    rest: Tensor
    """() float: the variance along every other direction, σ², above 0."""

    @cached_property
    def _basis(self) -> Tensor:
        return self.basis.double()

    def distance(self, latent: Tensor) -> float:
        """Mahalanobis distance of one latent (...) of D numbers, as a root mean square over them: about 1 is ordinary.

        d² = (Σ c_i² / v_i + |z - μ - Bᵀc|² / σ²) / D with c = B (z - μ). In float64 on the CPU, one latent at a time:
        it does not depend on what is explained beside it.
        """
        basis = self._basis
        offset = latent.detach().flatten().cpu().double() - self.mean.double()
        along = basis @ offset
        across = offset - along @ basis
        squared = (along.square() / self.variances.double()).sum() + across.square().sum() / self.rest.double()
        return float((squared / offset.numel()).sqrt())
