"""Every runtime that this machine has: the networks' own answers, each radiograph's own, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache as cached
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import Model
from cxrshift.core.passes import Passes
from cxrshift.core.runtime import Shapes
from cxrshift.errors import MethodError, ModelError
from cxrshift.image.radiograph import Radiograph
from cxrshift.models.loader import load_model
from cxrshift.runtime import AUTO, available, fastest, measure, with_runtime
from cxrshift.runtime.agreement import LIMITS, compare
from cxrshift.runtime.exports import cache_folder, find_exports
from cxrshift_api.types import ExplainOptions, Explanation, Profile
from tests.core.toys import noise
from tests.runtime.networks import SIDE, Varied, pictures, varied_model

PAIRS = available("cpu")
OTHERS = [pair for pair in PAIRS if pair != ("torch", "float32")]
EXPORTED = [name for name, precision in PAIRS if name in ("onnxruntime", "openvino") and precision == "float32"]
BOTH = ExplainOptions(("A", "C"))

Runs = Callable[[str, str], Model]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the varied model's exports, which takes ten seconds; to be copied by whoever changes it."""
    cache = tmp_path_factory.mktemp("cache")
    with_runtime(varied_model(), EXPORTED[0], cache=cache)
    return cache


@pytest.fixture(scope="module")
def runs(exported: Path) -> Runs:
    """The varied model in a runtime and precision; opened once."""
    return cached(lambda name, precision: with_runtime(varied_model(), name, precision=precision, cache=exported))


def explain(model: Model, *radiographs: Radiograph, options: ExplainOptions = BOTH) -> list[tuple[Explanation, ...]]:
    outcomes = Engine(model).explain([Order(radiograph, options) for radiograph in radiographs]).outcomes
    assert all(isinstance(outcome, tuple) for outcome in outcomes), outcomes
    return outcomes  # type: ignore[return-value]


def test_the_runtimes_of_the_lock_are_here() -> None:
    assert {"torch", "torch-graph", "onnxruntime", "openvino"} <= {name for name, _ in PAIRS}


@pytest.mark.parametrize(("name", "precision"), OTHERS)
def test_a_runtime_gives_the_networks_answers(name: str, precision: str, runs: Runs) -> None:
    assert compare(runs(name, precision), varied_model()).within(LIMITS[precision])


@pytest.mark.parametrize(("name", "precision"), PAIRS)
def test_an_explanation_is_the_same_bytes_alone_and_in_a_batch(name: str, precision: str, runs: Runs) -> None:
    model, radiographs = runs(name, precision), [noise(seed, SIDE, SIDE) for seed in range(5)]
    together = explain(model, *radiographs)
    for radiograph, expected in zip(radiographs, together, strict=True):
        (alone,) = explain(model, radiograph)
        for ours, theirs in zip(alone, expected, strict=True):
            assert np.array_equal(ours.frames, theirs.frames)
            assert np.array_equal(ours.scores, theirs.scores)
            assert np.array_equal(ours.heatmap, theirs.heatmap)


@pytest.mark.parametrize(("name", "precision"), OTHERS)
def test_an_explanation_is_that_of_torch_and_its_receipt_names_the_runtime(
    name: str, precision: str, runs: Runs
) -> None:
    fixed = replace(BOTH, profile=Profile.FIXED, frames=7, lambda_min=-20.0, lambda_max=20.0)
    radiograph = noise(1, SIDE, SIDE)
    limit = LIMITS[precision]
    ((ours, _),), ((theirs, _),) = (
        explain(model, radiograph, options=fixed) for model in (runs(name, precision), varied_model())
    )
    assert np.abs(ours.scores - theirs.scores).max() <= limit.scores
    assert np.abs(ours.frames.astype(int) - theirs.frames.astype(int)).max() <= 1 + 255 * limit.frames
    assert ours.quality.gradient_norm == pytest.approx(theirs.quality.gradient_norm, rel=limit.gradients)
    assert (ours.receipt.runtime, ours.receipt.precision) == (name, precision)
    assert (theirs.receipt.runtime, theirs.receipt.precision) == ("torch", "float32")


@pytest.mark.parametrize("name", EXPORTED)
def test_no_row_depends_on_its_neighbours_or_its_place(name: str, runs: Runs) -> None:
    passes = Passes(runs(name, "float32"))
    latents = passes.encode(pictures(8))
    frames, scores = passes.probe(latents)
    for order in (torch.arange(8).flip(0), torch.tensor([3, 0, 5])):
        some_frames, some_scores = passes.probe(latents[order])
        assert torch.equal(some_frames, frames[order])
        assert torch.equal(some_scores, scores[order])


@pytest.mark.parametrize("name", EXPORTED)
def test_a_damaged_export_is_made_anew(name: str, exported: Path, tmp_path: Path) -> None:
    model = varied_model()
    copytree(exported, tmp_path, dirs_exist_ok=True)
    exports = find_exports(model, Shapes(), tmp_path)
    assert exports is not None
    exports.path("probe").write_bytes(b"not a graph")
    again = with_runtime(model, name, cache=tmp_path)
    assert compare(again, model).within(LIMITS["float32"])


def test_exports_of_other_networks_are_not_taken_for_these(exported: Path, tmp_path: Path) -> None:
    """Two models that claim the same fingerprint: the second one's answers decide, not the file's name."""
    name = EXPORTED[0]
    copytree(exported, tmp_path, dirs_exist_ok=True)
    assert find_exports(varied_model(0), Shapes(), tmp_path) is not None
    other = replace(varied_model(1), fingerprint=varied_model(0).fingerprint)
    assert compare(with_runtime(other, name, cache=tmp_path), other).within(LIMITS["float32"])


class Fickle(Varied):
    """Its steps depend on its input, which no graph can hold."""

    def score(self, images: Tensor) -> Tensor:
        return super().score(-images if bool(images.mean() > 0) else images)


@pytest.mark.parametrize(("name", "precision"), OTHERS)
def test_networks_that_no_graph_can_hold_are_refused_and_torch_named(name: str, precision: str, tmp_path: Path) -> None:
    model = replace(varied_model(), networks=Fickle())
    with pytest.raises(MethodError, match=r"varied cannot be (traced|exported) .*\. The runtime torch runs it\."):
        with_runtime(model, name, precision=precision, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


class Wandering(Varied):
    """Gives another answer each time, as a network that is not in evaluation mode would."""

    def score(self, images: Tensor) -> Tensor:
        return super().score(images) * torch.rand(())


def test_a_runtime_of_other_answers_is_refused() -> None:
    with pytest.raises(ModelError, match=r"torch-graph in float32 does not give the answers of varied's networks"):
        with_runtime(replace(varied_model(), networks=Wandering()), "torch-graph")


def test_what_this_machine_cannot_run_is_refused_with_what_it_can() -> None:
    with pytest.raises(ModelError, match="cannot run tensorrt in float16 on cpu; it can run: torch in float32"):
        with_runtime(varied_model(), "tensorrt", precision="float16")


def test_the_fastest_runtime_is_one_that_was_measured(exported: Path, tmp_path: Path) -> None:
    model, told = varied_model(), list[None]()
    copytree(exported, tmp_path, dirs_exist_ok=True)
    assert fastest(model, cache=tmp_path) == "torch"
    speeds = measure(model, cache=tmp_path, told=lambda: told.append(None))
    assert [(speed.runtime, speed.precision) for speed in speeds] == list(PAIRS)
    assert len(told) == len(PAIRS)
    times = {s.runtime: s.milliseconds for s in speeds if s.precision == "float32" and s.milliseconds is not None}
    assert fastest(model, cache=tmp_path) == min(times, key=lambda runtime: times[runtime])
    assert fastest(varied_model(1), cache=tmp_path) == "torch"


def test_networks_that_cannot_be_exported_are_measured_in_torch_alone(tmp_path: Path) -> None:
    model = replace(varied_model(), networks=Fickle())
    first, *rest = measure(model, cache=tmp_path)
    assert first.milliseconds is not None
    assert all(speed.milliseconds is None and "The runtime torch runs it." in speed.why_not for speed in rest)
    assert fastest(model, cache=tmp_path) == "torch"


def test_the_embedded_model_runs_in_every_runtime_and_auto_takes_the_fastest() -> None:
    model = load_model("phantom", runtime="torch")
    speeds = measure(model)
    assert all(speed.why_not == "" for speed in speeds)
    chosen = load_model("phantom", runtime=AUTO)
    assert (chosen.runtime.name if chosen.runtime else "torch") == fastest(model)
    assert cache_folder().is_dir()
    for name, precision in OTHERS:
        difference = compare(load_model("phantom", runtime=name, precision=precision), model)
        assert difference.within(LIMITS[precision]), (name, precision, difference)
