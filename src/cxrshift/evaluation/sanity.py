"""Does a map depend on what the classifier has learnt? Its weights are randomised, and the map must change.

Adebayo et al., "Sanity Checks for Saliency Maps" (NeurIPS 2018, arXiv 1810.03292): the cascading test, from the layer
next to the score down to the first.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.autograd.graph import Node

from cxrshift_api.types import Float32Array

from ..core.model import Model
from ..errors import MethodError
from .localisation import overlap

_HIGHEST = 0.1
"""Share of the pixels that ``highest_overlap`` looks at."""


def randomise(model: Model, image: Tensor, *, share: float, seed: int) -> Model:
    """``model`` with a ``share`` in (0, 1] of its classifier's weight tensors randomised, next to the score first.

    The classifier's are the tensors that the score of an ``image`` (1, 1, S, S), float32 in model units, depends on, in
    the order in which the gradient meets them. Each is drawn anew from the normal distribution of its own mean and
    spread, so that the signals keep their size and only what was learnt is lost. The model itself, and its autoencoder,
    stay as they are. Raises MethodError where there is no such tensor.
    """
    networks = model.networks
    if not isinstance(networks, nn.Module):
        raise MethodError("Only networks that are torch modules can be randomised.")
    other = copy.deepcopy(networks).requires_grad_(True)
    weights = list(_weights_from_score(other.score(image.to(model.device))))
    if not weights:
        raise MethodError("The score depends on no weight that could be randomised.")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in weights[: math.ceil(share * len(weights))]:
            drawn = torch.randn(weight.shape, generator=generator).to(weight)
            weight.copy_(drawn * weight.std(correction=0) + weight.mean())
    return Model(model.spec, other.requires_grad_(False), model.device)


def _weights_from_score(scores: Tensor) -> Iterator[Tensor]:
    """Every tensor at a leaf of the calculation of ``scores``, nearest first, each once."""
    level = [] if scores.grad_fn is None else [scores.grad_fn]
    seen: set[Node] = set(level)
    while level:
        below: list[Node] = []
        for node in level:
            weight = getattr(node, "variable", None)
            if isinstance(weight, Tensor):
                yield weight
            for before, _ in node.next_functions:
                if before is not None and before not in seen:
                    seen.add(before)
                    below.append(before)
        level = below


def rank_correlation(first: Float32Array, second: Float32Array) -> float:
    """Spearman's ρ of the pixels of two maps, in [-1, 1]; 0 where one of them is the same everywhere.

    ``first`` (S, S) and ``second`` (S, S).
    """
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return 0.0
    return float(stats.spearmanr(first.ravel(), second.ravel()).statistic)


def highest_overlap(first: Float32Array, second: Float32Array) -> float:
    """Intersection over union, in [0, 1], of the highest tenth of both maps; two unrelated maps have 0.053 on average.

    ``first`` (S, S) and ``second`` (S, S).
    """
    count = round(_HIGHEST * first.size)
    marked = np.zeros(first.size, dtype=np.bool_)
    marked[np.argpartition(first, -count, axis=None)[-count:]] = True
    return overlap(second, marked.reshape(first.shape))
