"""From latents and findings to shifted frames: gradient, search and sweep, in full precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import ExplainOptions, Float32Array, Profile, StageSeconds

from .passes import Passes
from .probe import Rows, Targets, probe
from .profiles import DEFAULT_FRAMES, Lambdas, balanced_lambdas, frame_lambdas
from .search import LambdaRange, search_ranges


@dataclass(frozen=True)
class Wanted:
    """One explanation to make: a row of the encoded images, a finding's column, and the caller's options."""

    image: int
    column: int
    options: ExplainOptions


@dataclass(frozen=True)
class Shift:
    """One explanation in full precision, before it is stored as pixels.

    ``lambdas`` (R,) float64 ascending, ``frames`` (R, H, W) float in model units, ``scores`` (R, F) float32 in
    [0, 1], ``gradient_norm`` ‖g‖; all empty of frames where ``gradient_norm`` is 0 or not finite.
    """

    lambdas: Lambdas
    frames: Tensor
    scores: Float32Array
    found: LambdaRange
    gradient_norm: float


@dataclass(frozen=True)
class Encoded:
    """Images as the method needs them: ``latents`` (N, ...), ``reconstructions`` (N, 1, H, W), ``scores`` (N, F)."""

    latents: Tensor
    reconstructions: Tensor
    scores: Float32Array


class Stopwatch:
    """Adds up the seconds of named stages; one for each batch."""

    def __init__(self) -> None:
        self._began = perf_counter()
        self._seconds: dict[str, float] = {}
        self.rows = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as ``name``, one of StageSeconds' fields."""
        began = perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + perf_counter() - began

    def seconds(self) -> StageSeconds:
        """The stages so far, and the total since this watch was made."""
        return StageSeconds(**self._seconds, total=perf_counter() - self._began)


def encode(passes: Passes, images: Tensor, *, budget: int) -> Encoded:
    """(N, 1, H, W) in model units to latents, reconstructions x₀ = D(E(x)) and their scores s₀ = f(x₀)."""
    latents = passes.encode(images)
    count = len(latents)
    parts = [passes.probe(latents[start : start + budget]) for start in range(0, count, budget)]
    frames = torch.cat([part[0] for part in parts])
    scores = torch.cat([part[1] for part in parts])
    return Encoded(latents, frames, scores.float().cpu().numpy())


def shift(
    passes: Passes, encoded: Encoded, wanted: list[Wanted], *, darkest: float, budget: int, watch: Stopwatch
) -> list[Shift | None]:
    """Every wanted explanation, in order; None where the latent gradient is 0 or not finite and nothing can shift.

    z, g = d f(D(z))[c]/dz, then x(λ) = D(z + λ g) over the range that the search finds (arXiv 2102.09475). At most
    ``budget`` rows are in flight at once.
    """
    index = torch.tensor([w.image for w in wanted], device=encoded.latents.device)
    columns = np.array([w.column for w in wanted], dtype=np.int64)
    with watch.stage("gradient"):
        gradients = passes.gradient(encoded.latents[index], torch.from_numpy(columns))
    norms = [float(torch.linalg.vector_norm(g.double())) for g in gradients]
    usable = [i for i, norm in enumerate(norms) if np.isfinite(norm) and norm > 0.0]
    result: list[Shift | None] = [None] * len(wanted)
    if not usable:
        return result
    kept = torch.tensor(usable, device=index.device)
    targets = Targets(
        latents=encoded.latents[index[kept]],
        gradients=gradients[kept],
        reconstructions=encoded.reconstructions[index[kept]],
        columns=columns[usable],
        start=encoded.scores[[wanted[i].image for i in usable], columns[usable]],
    )
    options = [wanted[i].options for i in usable]
    with watch.stage("search"):
        found, searched = search_ranges(passes, targets, options, darkest=darkest, budget=budget)
    grids = [_frame_grid(o, f) for o, f in zip(options, found, strict=True)]
    with watch.stage("frames"):
        swept = _sweep(passes, targets, grids, budget=budget)
    watch.rows += searched + sum(len(grid) for grid in grids)
    for i, grid, (frames, scores), lambda_range in zip(usable, grids, swept, found, strict=True):
        result[i] = Shift(grid, frames, scores, lambda_range, norms[i])
    return result


def _frame_grid(options: ExplainOptions, found: LambdaRange) -> Lambdas:
    frames = options.frames or DEFAULT_FRAMES[options.profile]
    layout: Callable[[float, float, int], Lambdas]
    layout = balanced_lambdas if options.profile is Profile.TWO_SIDED else frame_lambdas
    return layout(found.below.limit, found.above.limit, frames)


def _sweep(passes: Passes, targets: Targets, grids: list[Lambdas], *, budget: int) -> list[tuple[Tensor, Float32Array]]:
    """Frames (R, H, W) and scores (R, F) of every target over its own grid."""
    rows = Rows.join(list(enumerate(grids)))
    frames: list[list[Tensor]] = [[] for _ in grids]
    scores: list[list[Float32Array]] = [[] for _ in grids]
    for probed in probe(passes, targets, rows, budget=budget):
        for i, owner in enumerate(probed.rows.owners):
            frames[owner].append(probed.frames[i, 0])
            scores[owner].append(probed.scores[i])
    return [(torch.stack(f), np.stack(s)) for f, s in zip(frames, scores, strict=True)]
