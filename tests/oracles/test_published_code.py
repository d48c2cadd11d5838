"""The published profiles against oracles of their own: another's package, and a plain loop by the paper's rules.

The latentshift package is only asked, never read from: its one module is loaded by its path, because importing the
package needs a version of pytorch-lightning that nothing else here could bear.
"""

from __future__ import annotations

import builtins
import importlib.util
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift.core.heatmap import make_heatmap
from cxrshift.runtime import available, with_runtime
from cxrshift.runtime.agreement import LIMITS
from cxrshift_api.types import ExplainOptions, HeatmapKind, Profile, StopReason
from tests.oracles.untrained import UntrainedModel, chest_like_image, served, shift_by_engine

TOLERANCE = 1e-4
IMAGE = chest_like_image()


@pytest.fixture(scope="module")
def published() -> Any:
    """The class LatentShift of latentshift 0.0.6."""
    try:
        files = distribution("latentshift").files or []
    except PackageNotFoundError:
        pytest.skip("latentshift is not installed; requirements-oracles.lock names it (install with --no-deps)")
    path = next(file.locate() for file in files if file.name == "latent_shift.py")
    spec = importlib.util.spec_from_file_location("published_latent_shift", str(path))
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # It calls float() on arrays of one element, which numpy 2.4 refuses.
    module.float = lambda value: builtins.float(np.asarray(value).item())
    return module.LatentShift


def relative_error(ours: Tensor, theirs: NDArray[np.float32]) -> float:
    """‖ours − theirs‖ / ‖theirs‖ of two images, or the largest of it in two stacks of them."""
    expected = theirs.reshape(-1, theirs.shape[-2] * theirs.shape[-1]).astype(np.float64)
    difference = ours.numpy().reshape(expected.shape) - expected
    return float((np.linalg.norm(difference, axis=1) / np.linalg.norm(expected, axis=1)).max())


@dataclass(frozen=True)
class Case:
    seed: int
    column: int
    sharpness: float
    method: str
    heatmap: HeatmapKind


CASES = [
    Case(0, 0, 1500.0, "max", HeatmapKind.MAX),
    Case(1, 7, 1500.0, "mean", HeatmapKind.MEAN),
    Case(2, 17, 800.0, "mm", HeatmapKind.FIRST_TO_LAST),
    Case(3, 3, 3000.0, "int", HeatmapKind.INTEGRATED),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed {case.seed}, {case.method}")
def test_latentshift_gives_the_published_packages_answer(published: Any, case: Case) -> None:
    model = UntrainedModel(case.seed, IMAGE, sharpness=case.sharpness)
    method = published(model.score, model)
    (theirs,) = method.attribute(
        IMAGE, case.column, heatmap_method=case.method, apply_sigmoid=False, verbose=False, return_dicts=True
    )
    ours = shift_by_engine(model, IMAGE, case.column, ExplainOptions(profile=Profile.LATENTSHIFT))
    assert ours.found.below.evaluated > 4
    np.testing.assert_array_equal(ours.lambdas, theirs["lambdas"])
    np.testing.assert_allclose(ours.scores[:, case.column], theirs["preds"], rtol=TOLERANCE)
    assert relative_error(ours.frames, theirs["generated_images"]) < TOLERANCE
    heatmap = make_heatmap(ours.frames, ours.frames[ours.zero], case.heatmap)
    assert relative_error(heatmap, theirs["heatmap"]) < TOLERANCE


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@dataclass(frozen=True)
class Answered:
    """Networks of fewer dense layers than DenseNet121, each of the same steps: exporting them all takes minutes.

    And the published package's answer, which is the same whatever runtime it is held against.
    """

    model: UntrainedModel
    lambdas: NDArray[np.float64]
    scores: NDArray[np.float32]
    frames: NDArray[np.float32]


@pytest.fixture(scope="module")
def answered(published: Any) -> Answered:
    case = CASES[0]
    model = UntrainedModel(case.seed, IMAGE, sharpness=case.sharpness, blocks=(2, 2, 2, 2))
    method = published(model.score, model)
    (theirs,) = method.attribute(IMAGE, case.column, apply_sigmoid=False, verbose=False, return_dicts=True)
    return Answered(model, theirs["lambdas"], theirs["preds"], theirs["generated_images"])


RUNTIMES = [pair for pair in available("cpu") if pair != ("torch", "float32")]


@pytest.mark.parametrize(("name", "precision"), RUNTIMES)
def test_every_runtime_gives_the_published_packages_answer(
    name: str, precision: str, answered: Answered, exports: Path
) -> None:
    column, limit, lambdas = CASES[0].column, LIMITS[precision], answered.lambdas
    whole = replace(served(answered.model), fingerprint="untrained")
    ready = with_runtime(whole, name, precision=precision, cache=exports)
    same = ExplainOptions(
        profile=Profile.FIXED, frames=len(lambdas), lambda_min=float(lambdas[0]), lambda_max=float(lambdas[-1])
    )
    ours = shift_by_engine(ready, IMAGE, column, same)
    np.testing.assert_allclose(ours.lambdas, lambdas)
    np.testing.assert_allclose(ours.scores[:, column], answered.scores, atol=limit.scores)
    assert relative_error(ours.frames, answered.frames) < limit.frames
    if precision == "float32":
        searched = shift_by_engine(ready, IMAGE, column, ExplainOptions(profile=Profile.LATENTSHIFT))
        np.testing.assert_array_equal(searched.lambdas, lambdas)


@dataclass(frozen=True)
class Plain:
    """What a plain loop found."""

    lambdas: NDArray[np.float64]
    scores: list[float]
    frames: NDArray[np.float32]
    steps: int
    stop: StopReason


def shift_plainly(model: UntrainedModel, image: Tensor, column: int) -> Plain:
    """One λ after the other: by 1 down to −10, then by 10, until the score rises, has dropped by 0.15, or λ ≤ −1000."""
    latent = model.encode(image).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model.score(model.decode(latent))[0, column], latent)

    @torch.no_grad()
    def at(lam: float) -> tuple[NDArray[np.float32], float]:
        frame = model.decode(latent + lam * gradient)
        return frame[0, 0].numpy(), float(model.score(frame)[0, column])

    lam, steps = 0.0, 1
    first = last = at(0.0)[1]
    stop: StopReason | None = None
    while stop is None:
        lam -= 1.0 if lam > -10.0 else 10.0
        steps += 1
        score = at(lam)[1]
        if score > last:
            stop = StopReason.REVERSED
        elif first - score > 0.15:
            stop = StopReason.TARGET
        elif lam <= -1000.0:
            stop = StopReason.LAST_LAMBDA
        last = score
    lambdas = np.linspace(lam, 0.0, 10)
    frames, scores = zip(*(at(float(each)) for each in lambdas), strict=True)
    return Plain(lambdas, list(scores), np.stack(frames), steps, stop)


@pytest.mark.parametrize(("seed", "column", "sharpness"), [(0, 2, 3000.0), (1, 5, 3000.0), (4, 11, 4000.0)])
def test_gifsplanation_gives_a_plain_loops_answer(seed: int, column: int, sharpness: float) -> None:
    model = UntrainedModel(seed, IMAGE, sharpness=sharpness)
    plain = shift_plainly(model, IMAGE, column)
    ours = shift_by_engine(model, IMAGE, column, ExplainOptions(profile=Profile.GIFSPLANATION))
    assert plain.steps > 4
    assert (ours.found.below.stop, ours.found.below.evaluated) == (plain.stop, plain.steps)
    np.testing.assert_array_equal(ours.lambdas, plain.lambdas)
    np.testing.assert_allclose(ours.scores[:, column], plain.scores, rtol=TOLERANCE)
    assert relative_error(ours.frames, plain.frames) < TOLERANCE
