"""Every map of one finding on one radiograph: Latent Shift's heatmap and the traditional ones, treated alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy import ndimage

from cxrshift_api.types import ExplainOptions, Explanation, Float32Array, HeatmapKind, Problem, SaliencyKind

from ..core.engine import Engine, Order
from ..core.preprocess import prepare
from ..core.saliency import saliency_maps
from ..errors import InvalidRequest
from ..image.radiograph import Radiograph

LATENT_SHIFT: Final = "latent-shift"
TRADITIONAL: Final[tuple[str, ...]] = tuple(kind.value for kind in SaliencyKind)
METHODS: Final[tuple[str, ...]] = (LATENT_SHIFT, *TRADITIONAL)


@dataclass(frozen=True)
class MapOptions:
    """How the maps are made; what is done to one is done to all."""

    methods: tuple[str, ...] = METHODS
    """The maps to make, some of METHODS."""
    heatmap: HeatmapKind = HeatmapKind.MAX
    """How Latent Shift's frames become one map."""
    blur: float = 0.0
    """Standard deviation of the Gaussian that smooths every map, in pixels of the model's input; 0 = none."""
    pixel_change: float | None = None
    """As in ExplainOptions, in (0, 1]; None is the profile's own."""


@dataclass(frozen=True)
class Mapped:
    """A finding's ``explanation``, and ``maps`` (S, S) float32 ≥ 0 by method, at the model's input size."""

    explanation: Explanation
    maps: Mapping[str, Float32Array]


def make_maps(
    engine: Engine, radiograph: Radiograph, findings: Sequence[str], options: MapOptions
) -> dict[str, Mapped | Problem]:
    """The maps of each finding, by the profile ``two-sided``; a Problem where Latent Shift gives no explanation.

    Latent Shift explains the reconstruction, the traditional maps the radiograph itself, each as it is defined.
    Raises InvalidRequest where the classifier has no rectifier to guide a backpropagation by.
    """
    asked = [
        Order(radiograph, ExplainOptions((f,), heatmap=options.heatmap, pixel_change=options.pixel_change))
        for f in findings
    ]
    outcomes = dict(zip(findings, engine.explain(asked).outcomes, strict=True))
    traditional = _traditional(engine, radiograph, findings, [m for m in options.methods if m != LATENT_SHIFT])
    results: dict[str, Mapped | Problem] = {}
    for finding, outcome in outcomes.items():
        if isinstance(outcome, Problem):
            results[finding] = outcome
            continue
        (explanation,) = outcome
        maps = {LATENT_SHIFT: explanation.heatmap, **traditional[finding]}
        results[finding] = Mapped(explanation, {m: smooth(maps[m], options.blur) for m in options.methods})
    return results


def _traditional(
    engine: Engine, radiograph: Radiograph, findings: Sequence[str], methods: Sequence[str]
) -> dict[str, dict[str, Float32Array]]:
    names = [known.name for known in engine.spec.findings]
    columns = torch.tensor([names.index(finding) for finding in findings], dtype=torch.int64)
    image = prepare(radiograph, engine.spec).to(engine.model.device)
    images = image.expand(len(findings), *image.shape)
    made: dict[str, dict[str, Float32Array]] = {finding: {} for finding in findings}
    for method in methods:
        maps = saliency_maps(
            engine.model.networks, images, columns, SaliencyKind(method), darkest=engine.spec.input_range[0]
        )
        for finding, one in zip(findings, maps, strict=True):
            made[finding][method] = one.cpu().numpy()
    return made


def smooth(heatmap: Float32Array, blur: float) -> Float32Array:
    """``heatmap`` (S, S) ≥ 0 under a Gaussian of ``blur`` pixels, of the same shape; itself where that is 0."""
    return np.asarray(ndimage.gaussian_filter(heatmap, blur), dtype=np.float32) if blur else heatmap


def possible_methods(engine: Engine, methods: Sequence[str] = METHODS) -> tuple[str, ...]:
    """Those of ``methods`` that this model allows: guided backpropagation needs a rectifier, which not all have."""
    blank = Radiograph(np.full((engine.spec.input_size,) * 2, 0.5, np.float32))
    finding = next(known.name for known in engine.spec.findings if known.trained)

    def possible(method: str) -> bool:
        try:
            _traditional(engine, blank, [finding], [method])
        except InvalidRequest:
            return False
        return True

    return tuple(method for method in methods if method == LATENT_SHIFT or possible(method))
