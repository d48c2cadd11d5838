"""On a GPU: the CPU's explanations, each request's own bytes, the same each time. Skipped where there is none."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import Model
from cxrshift.core.passes import Passes
from cxrshift.core.preprocess import prepare
from cxrshift.core.probe import Rows, aim, probe
from cxrshift.models.loader import load_model
from cxrshift.phantom import generate
from cxrshift.runtime import available, with_runtime
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, Problem, Profile, SaliencyKind
from tests.runtime.networks import varied_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")

PAIRS = available("cuda") if torch.cuda.is_available() else [("torch", "float32")]
GRAPHS = [pair for pair in PAIRS if pair[0] == "torch-graph"]
MODELS = ("phantom", "cxr-small")
SCORES = {"float32": 1e-4, "tfloat32": 5e-3, "bfloat16": 0.01, "float16": 5e-3}
FRAMES = {"float32": 1e-3, "tfloat32": 5e-3, "bfloat16": 1e-2, "float16": 5e-3}

Runs = Callable[[str, str, str], Model]


@pytest.fixture(scope="module")
def runs() -> Runs:
    """A model on the GPU in a runtime and precision."""
    return lambda model, name, precision: load_model(model, device="cuda", runtime=name, precision=precision)


def orders(model: Model) -> list[Order]:
    names = [finding.name for finding in model.spec.findings]
    wanted = [ExplainOptions((name,)) for name in names[:4]]
    wanted.append(ExplainOptions(tuple(names[:3])))
    wanted.append(ExplainOptions((names[1],), Profile.LATENTSHIFT))
    wanted.append(ExplainOptions((names[0],), saliency=tuple(SaliencyKind)))
    return [Order(generate(seed).to_radiograph(), options) for seed, options in enumerate(wanted)]


def explained(engine: Engine, some: list[Order]) -> list[Any]:
    outcomes = engine.explain(some).outcomes
    assert not any(isinstance(outcome, Problem) for outcome in outcomes), outcomes
    return [tuple(codec.to_bytes(codec.encode_explanation(e)) for e in o) for o in outcomes]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("runtime", "precision"), PAIRS)
def test_a_request_has_the_same_bytes_twice_alone_and_among_others(
    name: str, runtime: str, precision: str, runs: Runs
) -> None:
    engine = Engine(runs(name, runtime, precision))
    asked = orders(engine.model)
    together = explained(engine, asked)
    assert explained(engine, asked) == together
    assert explained(engine, asked[::-1]) == together[::-1]
    assert [explained(engine, [order])[0] for order in asked] == together
    assert explained(engine, asked * 6) == together * 6


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("runtime", "precision"), PAIRS)
def test_frames_and_scores_are_those_of_the_cpu(name: str, runtime: str, precision: str, runs: Runs) -> None:
    found = []
    for model in (runs(name, runtime, precision), load_model(name, runtime="torch")):
        passes = Passes(model)
        images = torch.stack([prepare(generate(seed).to_radiograph(), model.spec) for seed in range(4)])
        targets = aim(passes, passes.encode(images), [0, 1, 2, 3], [0, 1, 2, 3])
        rows = Rows.join([(owner, np.array([-8.0, -2.0, 1.0, 4.0])) for owner in range(4)])
        (probed,) = probe(passes, targets, rows, budget=64)
        found.append((probed.frames.cpu(), probed.scores))
    (frames, scores), (right_frames, right_scores) = found
    norms = torch.linalg.vector_norm(frames - right_frames, dim=(1, 2, 3)) / torch.linalg.vector_norm(
        right_frames, dim=(1, 2, 3)
    )
    assert norms.max() <= FRAMES[precision]
    assert np.abs(scores - right_scores).max() <= SCORES[precision]


@pytest.mark.parametrize(("runtime", "precision"), GRAPHS)
def test_a_captured_graph_keeps_its_weights(runtime: str, precision: str) -> None:
    """The graph reads them where they were; what nobody else holds is given to the next who asks for memory."""
    plain = varied_model()
    model = with_runtime(
        replace(plain, networks=plain.networks.to("cuda"), device="cuda"),  # type: ignore[attr-defined]
        runtime,
        precision=precision,
    )
    passes = Passes(model)
    latents = passes.encode(torch.linspace(-1024, 1024, 32 * 32).reshape(1, 1, 32, 32))
    frames, scores = passes.probe(latents)
    gc.collect()
    noise = [torch.full((1 << size,), float("nan"), device="cuda") for size in range(4, 22) for _ in range(8)]
    again, same_scores = passes.probe(latents)
    assert torch.equal(again, frames)
    assert torch.equal(same_scores, scores)
    assert torch.equal(passes.encode(torch.linspace(-1024, 1024, 32 * 32).reshape(1, 1, 32, 32)), latents)
    assert len(noise) == 144


def test_threads_that_share_an_engine_have_their_own_answers(runs: Runs) -> None:
    engine = Engine(runs("phantom", "torch-graph", "float32"))
    asked = orders(engine.model)[:4]
    alone = [explained(engine, [order])[0] for order in asked]
    wrong: list[int] = []

    def ask(place: int) -> None:
        wrong.extend(place for _ in range(5) if explained(engine, [asked[place]])[0] != alone[place])

    threads = [Thread(target=ask, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
