"""A batch equals its single runs, to the last bit, whatever is in it and however it is cut."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshift.core.engine import Engine, Order
from cxrshift.core.probe import Rows
from cxrshift.core.runtime import Shapes
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, HeatmapKind, Problem, ProblemCode, Profile, SaliencyKind
from tests.core.toys import ConvolutionalModel, noise

MODEL = ConvolutionalModel()
ALL_MAPS = tuple(SaliencyKind)
ORDERS = [
    Order(noise(0, 32, 32), ExplainOptions(("A",), saliency=(SaliencyKind.INPUT_GRADIENT,))),
    Order(noise(1, 50, 40), ExplainOptions(("C", "A"), frames=5, heatmap=HeatmapKind.MEAN, saliency=ALL_MAPS)),
    Order(noise(2, 32, 64), ExplainOptions(("B",), Profile.LATENTSHIFT, frames=4, saliency=ALL_MAPS[::-1])),
    Order(noise(3, 33, 31), ExplainOptions((), Profile.GIFSPLANATION, heatmap=HeatmapKind.INTEGRATED)),
    Order(noise(4, 20, 20), ExplainOptions(("B",), Profile.FIXED, frames=21, lambda_min=-3.0, lambda_max=0.5)),
    Order(noise(5, 32, 32), ExplainOptions(("Gout",))),
    Order(noise(6, 90, 90), ExplainOptions((), frames=3, target_change=0.1, heatmap=HeatmapKind.FIRST_TO_LAST)),
    Order(noise(0, 32, 32), ExplainOptions(("B",), pixel_change=0.01)),
]


def outcomes(engine: Engine, orders: list[Order]) -> list[tuple[bytes, ...] | Problem]:
    return [
        outcome if isinstance(outcome, Problem) else tuple(codec.to_bytes(codec.encode_explanation(e)) for e in outcome)
        for outcome in engine.explain(orders).outcomes
    ]


@pytest.fixture(scope="module")
def alone() -> list[tuple[bytes, ...] | Problem]:
    engine = Engine(MODEL)
    return [outcomes(engine, [order])[0] for order in ORDERS]


@pytest.mark.parametrize("row_budget", [1, 5, 8, 256])
def test_a_batch_of_mixed_requests_equals_its_single_runs_at_any_position_and_budget(
    alone: list[tuple[bytes, ...] | Problem], row_budget: int
) -> None:
    engine = Engine(MODEL, row_budget=row_budget)
    for seed in range(3):
        places = random.Random(seed).sample(range(len(ORDERS)), len(ORDERS))
        assert outcomes(engine, [ORDERS[i] for i in places]) == [alone[i] for i in places]


def test_a_batch_equals_its_single_runs_at_an_accelerators_shapes() -> None:
    engine = Engine(MODEL, shapes=Shapes(encode=8, gradient=8, probe=64))
    assert outcomes(engine, ORDERS) == [outcomes(engine, [order])[0] for order in ORDERS]


def test_every_order_of_the_batch_has_an_answer_of_its_own(alone: list[tuple[bytes, ...] | Problem]) -> None:
    explained = [outcome for outcome in alone if not isinstance(outcome, Problem)]
    assert len(set(explained)) == len(ORDERS) - 1
    assert len(explained[1]) == 2
    refused = alone[5]
    assert isinstance(refused, Problem)
    assert refused.code is ProblemCode.UNKNOWN_FINDING


def test_classifying_together_equals_classifying_alone() -> None:
    engine = Engine(MODEL)
    radiographs = [order.radiograph for order in ORDERS]
    together = engine.classify(radiographs)
    assert together == tuple(engine.classify([radiograph])[0] for radiograph in radiographs)
    assert engine.classify([]) == ()
    assert engine.explain([]).outcomes == ()


class WatchfulModel(ConvolutionalModel):
    """Notes the rows of every call."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, set[int]] = {"encode": set(), "decode": set(), "score": set()}

    def encode(self, images: Tensor) -> Tensor:
        self.rows["encode"].add(len(images))
        return super().encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        self.rows["decode"].add(len(latents))
        return super().decode(latents)

    def score(self, images: Tensor) -> Tensor:
        self.rows["score"].add(len(images))
        return super().score(images)


def test_each_pass_has_one_shape_whatever_the_batch() -> None:
    model = WatchfulModel()
    engine = Engine(model, shapes=Shapes(encode=3, gradient=2, probe=5), row_budget=7)
    engine.explain(ORDERS)
    engine.explain(ORDERS[:1])
    assert model.rows == {"encode": {3}, "decode": {2, 5}, "score": {2, 3, 5}}


def test_the_reply_counts_rows_and_times_every_stage() -> None:
    options = ExplainOptions(("B",), Profile.FIXED, frames=3, lambda_min=-1.0)
    reply = Engine(MODEL).explain([Order(noise(0), options)] * 2)
    assert reply.rows == 2 * (1 + 1 + 2)  # encode, gradient with the frame at 0, other frames; nothing to search
    stages = reply.stages
    assert min(stages.encode, stages.gradient, stages.search, stages.frames) > 0.0
    assert stages.total >= stages.encode + stages.gradient + stages.search + stages.frames


def test_rows_of_several_owners_join_in_order() -> None:
    rows = Rows.join([(2, np.array([-1.0, 0.0])), (0, np.array([5.0]))])
    assert rows.owners.tolist() == [2, 2, 0]
    assert rows.lambdas.tolist() == [-1.0, 0.0, 5.0]
    assert len(rows) == 3


def test_shapes_are_narrow_on_a_cpu_and_wide_elsewhere() -> None:
    narrow, wide = Shapes.for_device("cpu"), Shapes.for_device("cuda:1")
    assert narrow.gradient < wide.gradient
    assert narrow.probe < wide.probe
    assert torch.device(Engine(MODEL).model.device).type == "cpu"
