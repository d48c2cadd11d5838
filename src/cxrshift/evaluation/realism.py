"""How far shifted frames leave the radiographs behind, in the encoder's own space.

What the encoder does not see, such as the blur of every reconstruction, does not count here; SSIM sees that. Distances
are those of Heusel et al. 2017 (arXiv 1706.08500), the test by a classifier that of Lopez-Paz and Oquab 2017 (arXiv
1610.06545).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from .localisation import auroc

Array = NDArray[np.float64]

LARGEST_SPACE = 16
"""Dimensions in which distances are taken: more could not be filled by a few hundred radiographs."""

_HALVINGS = 20
_FOLDS = 5


def pool_latents(latents: Tensor) -> Array:
    """``latents`` (N, C, ...), of any type and in latent units, to (N, C): the mean over places.

    So what is there counts, and not where.
    """
    pooled = latents.flatten(2).mean(2) if latents.ndim > 2 else latents
    return np.asarray(pooled.double().cpu().numpy(), dtype=np.float64)


def frechet_distance(first: Array, second: Array) -> float:
    """‖μ₁ − μ₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½) of two samples: Heusel et al. 2017, arXiv 1706.08500.

    ``first`` (N, D) and ``second`` (M, D); the distance is in squared units of theirs.
    """
    covariances = [np.atleast_2d(np.cov(sample, rowvar=False)) for sample in (first, second)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    common = np.linalg.eigvalsh(root @ covariances[1] @ root)
    shift = float(np.square(first.mean(0) - second.mean(0)).sum())
    traces = float(sum(np.trace(covariance) for covariance in covariances))
    return shift + traces - 2.0 * float(np.sqrt(np.clip(common, 0.0, None)).sum())


def project(real: Array, *others: Array) -> tuple[Array, ...]:
    """All samples on the leading principal axes of ``real``, scaled so that its own variance there is 1 in total.

    ``real`` (N, D) and each of ``others`` (M, D) become (N, d) and (M, d), d at most ``LARGEST_SPACE``.
    """
    centre = real.mean(0)
    size = max(1, min(LARGEST_SPACE, real.shape[0] // 8, real.shape[1]))
    _, spreads, axes = np.linalg.svd(real - centre, full_matrices=False)
    scale = np.sqrt(np.square(spreads[:size]).sum() / len(real)) or 1.0
    return tuple((sample - centre) @ axes[:size].T / scale for sample in (real, *others))


def halved_distance(reference: Array, sample: Array, *, seed: int = 0) -> float:
    """The Fréchet distance of ``sample`` to ``reference``, row i of both being of the same radiograph i.

    ``reference`` (N, D) and ``sample`` (N, D). One half of the radiographs of the one against the other half of the
    other, and the mean over halvings: so no radiograph is compared with its own frame, and a set against itself gives
    the distance that chance alone makes.
    """
    rng = np.random.default_rng(seed)
    distances = []
    for _ in range(_HALVINGS):
        order = rng.permutation(len(reference))
        here, there = order[: len(order) // 2], order[len(order) // 2 :]
        distances.append(frechet_distance(reference[here], sample[there]))
    return float(np.mean(distances))


def tell_apart(first: Array, second: Array, groups: Sequence[str]) -> float:
    """AUROC of a linear classifier trained to tell the rows of ``first`` from those of ``second``: 0.5 = it can't.

    ``first`` (N, D) and ``second`` (N, D). Logistic regression, cross-validated so that no patient is on both sides;
    ``groups`` (N,) name the patients of the rows of either. NaN with fewer than five patients.
    """
    if len(set(groups)) < _FOLDS:
        return float("nan")
    rows = np.concatenate([first, second])
    labels = np.repeat([0, 1], [len(first), len(second)])
    scores = np.zeros(len(rows))
    for train, test in GroupKFold(_FOLDS).split(rows, labels, [*groups, *groups]):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        scores[test] = probe.fit(rows[train], labels[train]).decision_function(rows[test])
    return auroc(scores, labels == 1)
