"""The engine's benchmark: its arithmetic, and its measurements on a network that takes a millisecond."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks.engine import Memory, Rate, Report, Throughput, measure_throughput, tell
from benchmarks.engine_plot import draw
from benchmarks.growth import FRAMES, Growth, grow_findings, grow_frames
from benchmarks.memory import size_of
from benchmarks.orders import explain, make_orders
from benchmarks.selection import Pair, select
from benchmarks.timing import Line, Product, count_flops, fit_line, in_turns, median_ratio
from cxrshift.core.engine import Engine
from cxrshift.core.model import as_model
from tests.core.toys import LinearModel

TORCH, OPENVINO = Pair("torch", "float32"), Pair("openvino", "bfloat16")


def test_a_line_says_how_much_of_the_spread_it_explains() -> None:
    line = fit_line([1.0, 2.0, 3.0, 4.0], [5.0, 7.0, 9.0, 11.0])
    assert (line.slope, line.intercept, line.r2) == pytest.approx((2.0, 3.0, 1.0))
    bent = fit_line([0.0, 1.0, 2.0], [0.0, 1.0, 0.0])
    assert (bent.slope, bent.intercept, bent.r2) == pytest.approx((0.0, 1 / 3, 0.0), abs=1e-12)
    assert fit_line([1.0, 2.0], [3.0, 3.0]).r2 == 1.0  # nothing is left to explain


def test_a_ratio_of_pairs_does_not_see_what_slowed_both() -> None:
    assert median_ratio([2.0, 40.0, 6.0], [1.0, 10.0, 2.0]) == 3.0
    with pytest.raises(ValueError, match="shorter"):
        median_ratio([1.0, 2.0], [1.0])


def test_calls_take_turns_and_turn_round() -> None:
    calls: list[str] = []
    seconds = in_turns({name: partial(calls.append, name) for name in "abc"}, 3)
    assert "".join(calls) == "abccbaabc"
    assert [len(taken) for taken in seconds.values()] == [3, 3, 3]


def test_a_product_has_the_operations_that_torch_counts() -> None:
    product = Product("float32", "cpu")
    assert count_flops(product.prepare()) == product.flops
    assert torch.get_float32_matmul_precision() == "highest"


def test_only_what_a_machine_runs_natively_is_measured() -> None:
    given = argparse.Namespace(device="cpu", threads=None, runtime=["torch"], precision=None)
    assert select(given) == [TORCH]
    with pytest.raises(SystemExit, match="torch float32"):
        select(argparse.Namespace(**{**vars(given), "precision": ["float8"]}))


def test_an_explanation_over_a_fixed_range_has_the_frames_asked_for() -> None:
    engine = Engine(LinearModel())
    explanations = explain(engine, make_orders(engine.spec, 2, findings=2, frames=5))
    assert [e.finding for e in explanations] == ["A", "B", "A", "B"]
    assert {len(e.frames) for e in explanations} == {5}
    one, arrays = explanations[0], ("lambdas", "scores", "frames", "heatmap", "radiograph", "radiograph_scores")
    assert size_of([one]) == sum(getattr(one, name).nbytes for name in arrays)
    assert size_of([one, replace(one)]) == size_of([one])


def test_an_order_that_cannot_be_explained_is_not_timed() -> None:
    engine = Engine(LinearModel())
    (order,) = make_orders(engine.spec, 1)
    with pytest.raises(RuntimeError, match="does not know that finding"):
        explain(engine, [replace(order, options=replace(order.options, findings=("Z",)))])


def test_growth_is_measured_for_every_count() -> None:
    engine = Engine(LinearModel())
    frames, findings = grow_frames(engine, 4, repeats=1), grow_findings(engine, 4, repeats=1)
    assert frames.counts == FRAMES
    assert findings.counts == (1, 2, 3)
    assert min(*frames.milliseconds, *findings.milliseconds) > 0.0
    rates = [t.per_second for t in measure_throughput(as_model(LinearModel()), TORCH, (1, 2), repeats=1)]
    assert np.all(np.array(rates) > 0.0)


def test_tables_and_picture_show_all_that_was_measured() -> None:
    growth = Growth("frames", (3, 41), (10.0, 105.0), Line(2.5, 2.5, 0.999))
    report = Report(
        rates=(Rate(TORCH, 1, 50.0, 0.25), Rate(TORCH, 8, 80.0, 0.4), Rate(OPENVINO, 1, 200.0, 0.5)),
        throughputs=tuple(Throughput(TORCH, orders, 2.0 * orders) for orders in (1, 2, 4, 8)),
        peaks=((TORCH, 900.0),),
        growths=(growth, replace(growth, of="findings")),
        memories=(Memory(TORCH, 32, 32, 901.0, 900.5), Memory(TORCH, 32, 512, 910.0, 900.75)),
        fastest=TORCH,
    )
    rates, speeds, growths, memories = tell(report)
    assert rates.splitlines()[2].split() == ["openvino", "bfloat16", "200.0", "(50%)", "–"]
    assert speeds.splitlines()[2].split() == ["openvino", "bfloat16", "–", "–", "–", "–", "–"]
    assert growths.splitlines()[2].split() == ["frames", "3,", "41", "10.0", "105.0", "2.50", "2.5", "0.9990"]
    assert memories.splitlines()[2].split() == ["512", "16", "×", "910.0", "900.8"]
    assert draw(report, "phantom", "a machine").startswith(b"\x89PNG")
