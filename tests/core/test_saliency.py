"""The traditional maps: closed forms, Captum as the oracle, and the promises that every map keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional

from cxrshift.core.engine import Engine, Order
from cxrshift.core.preprocess import prepare
from cxrshift.core.runtime import Shapes
from cxrshift.core.saliency import PATH_STEPS, attributions, saliency_maps
from cxrshift.errors import InvalidRequest
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, Problem, ProblemCode, Profile, SaliencyKind
from tests.core.toys import (
    SIDE,
    ConvolutionalModel,
    CurveModel,
    LinearModel,
    explain_one,
    logistic,
    noise,
    problem_of,
)

GRADIENT, INTEGRATED, GUIDED = SaliencyKind
Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Scorer:
    """A classifier alone; the maps never encode or decode."""

    score: Callable[[Tensor], Tensor]
    findings: tuple[str, ...] = ("A", "B")

    def encode(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        raise NotImplementedError


def pictures(count: int, side: int = SIDE, seed: int = 0) -> Tensor:
    """(N, 1, S, S) of uniform noise in [-1, 1]."""
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def layers() -> tuple[nn.Conv2d, nn.Conv2d, nn.Linear]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Conv2d(1, 6, 3, 2, 1), nn.Conv2d(6, 4, 3, 2, 1), nn.Linear(4 * (SIDE // 4) ** 2, 2)


def network(activation: Activation) -> Scorer:
    first, second, last = layers()
    return Scorer(lambda x: torch.sigmoid(last(activation(second(activation(first(x)))).flatten(1))))


def test_the_input_gradient_of_a_linear_model_is_its_weights_times_the_slope_of_the_score() -> None:
    model, images, columns = LinearModel(), pictures(3), torch.tensor([2, 0, 1])
    scores = model.score(images).gather(1, columns[:, None])
    expected = (scores * (1 - scores) * model.weights[columns]).reshape(-1, SIDE, SIDE)
    maps = attributions(model, images, columns, GRADIENT)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(saliency_maps(model, images, columns, GRADIENT), expected.abs())


def test_integrated_gradients_of_a_linear_model_share_the_score_out_by_weight_times_distance_from_dark() -> None:
    model, images = LinearModel(), pictures(2)
    maps = attributions(model, images, torch.tensor([0, 1]), INTEGRATED, darkest=-1.0)
    dark = torch.full_like(images[:1], -1.0)
    for row, column in ((0, 0), (1, 1)):
        share = (model.weights[column] * (images[row].flatten() + 1)).reshape(SIDE, SIDE)
        change = model.score(images[row : row + 1])[0, column] - model.score(dark)[0, column]
        torch.testing.assert_close(maps[row], share / share.sum() * change, rtol=1e-3, atol=1e-6)


def test_integrated_gradients_are_complete() -> None:
    """Their sum is the score's distance from the darkest image's (Sundararajan et al., axiom of completeness)."""
    model, images = ConvolutionalModel(), pictures(3, ConvolutionalModel.input_size) * 1024
    columns = torch.tensor([0, 1, 2])
    maps = attributions(model, images, columns, INTEGRATED)
    dark = model.score(torch.full_like(images, -1024.0))
    change = (model.score(images) - dark).gather(1, columns[:, None])[:, 0]
    assert change.abs().max() > 0.1
    torch.testing.assert_close(maps.sum((1, 2)), change, rtol=0.0, atol=2e-3)


def test_guided_backpropagation_equals_captums_on_a_network_of_relu_modules() -> None:
    first, second, last = layers()
    modules = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), last, nn.Sigmoid())
    images, columns = pictures(5), torch.tensor([0, 1, 1, 0, 1])
    ours = attributions(Scorer(modules), images, columns, GUIDED)
    with pytest.warns(UserWarning, match="hooks"):
        theirs = GuidedBackprop(modules).attribute(images.clone().requires_grad_(True), target=columns)
    torch.testing.assert_close(ours, theirs[:, 0])
    assert not torch.allclose(ours, attributions(Scorer(modules), images, columns, GRADIENT))


@pytest.mark.parametrize(
    "rectify",
    [
        functional.relu,
        torch.relu,
        lambda x: functional.relu(x, inplace=True),
        lambda x: x.clone().relu_(),
        lambda x: functional.threshold(x, 0.0, 0.0),
        lambda x: torch.ops.aten.relu.default(x),  # what an exported program calls
        lambda x: functional.leaky_relu(x, 0.0),
    ],
)
def test_every_way_of_calling_relu_gives_the_same_guided_map(rectify: Activation) -> None:
    images, columns = pictures(2), torch.tensor([0, 1])
    expected = attributions(network(nn.ReLU()), images, columns, GUIDED)
    torch.testing.assert_close(attributions(network(rectify), images, columns, GUIDED), expected)


@pytest.mark.parametrize(
    "activation",
    [
        *(functional.silu, functional.gelu, functional.elu, functional.celu, functional.selu, functional.mish),
        *(functional.softplus, functional.hardswish, functional.leaky_relu, functional.relu6),
        lambda x: functional.prelu(x, torch.tensor([0.1])),
    ],
)
def test_a_smooth_rectifier_passes_only_positive_gradient_by_its_own_slope(activation: Activation) -> None:
    """s = ρ(x₀) − ρ(x₁) + 2ρ(x₂) …: where the score falls with ρ nothing comes back, elsewhere wρ'(x)."""
    weights = torch.tensor([1.0, -1.0, 2.0, -3.0]).repeat(SIDE * SIDE // 4)
    scorer = Scorer(lambda x: (activation(x).flatten(1) @ weights)[:, None])
    images = 4 * pictures(1)
    slopes = torch.func.grad(lambda x: activation(x).sum())(images)
    guided = attributions(scorer, images, torch.tensor([0]), GUIDED)
    torch.testing.assert_close(guided.flatten(), weights.clamp(min=0) * slopes.flatten())


@pytest.mark.parametrize("activation", [torch.tanh, torch.sigmoid, functional.hardtanh, nn.Identity()])
def test_guided_backpropagation_without_a_rectifier_is_refused_and_not_the_plain_gradient(
    activation: Activation,
) -> None:
    with pytest.raises(InvalidRequest, match="guided-backpropagation needs a classifier with ReLU"):
        saliency_maps(network(activation), pictures(1), torch.tensor([0]), GUIDED)


@pytest.mark.filterwarnings("ignore:.torch.jit.*deprecated:DeprecationWarning")
def test_guided_backpropagation_sees_into_a_script_and_refuses_it_once_it_is_fused() -> None:
    first, second, last = layers()
    modules = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), last, nn.Sigmoid())
    images, columns = pictures(1), torch.tensor([1])
    scripted = Scorer(torch.jit.script(modules))
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        expected = attributions(Scorer(modules), images, columns, GUIDED)
        torch.testing.assert_close(attributions(scripted, images, columns, GUIDED), expected)
    for _ in range(3):  # the first runs watch, the later ones are fused
        attributions(scripted, images, columns, GRADIENT)
    with pytest.raises(InvalidRequest, match="TorchScript"):
        saliency_maps(scripted, images, columns, GUIDED)


@pytest.mark.parametrize("kind", SaliencyKind)
def test_a_map_depends_on_no_neighbour_to_the_last_bit(kind: SaliencyKind) -> None:
    model, images = ConvolutionalModel(), pictures(5, ConvolutionalModel.input_size) * 1024
    columns = torch.tensor([0, 1, 2, 1, 0])
    for shapes in (Shapes(), Shapes(encode=8, gradient=3, probe=64)):
        together = saliency_maps(model, images, columns, kind, shapes=shapes)
        assert together.shape == (5, 32, 32)
        assert together.dtype == torch.float32
        assert together.min() >= 0.0
        assert together.max() > 0.0
        for row in range(5):
            one = slice(row, row + 1)
            assert torch.equal(saliency_maps(model, images[one], columns[one], kind, shapes=shapes)[0], together[row])


@pytest.mark.parametrize("kind", SaliencyKind)
def test_a_call_holds_no_more_rows_than_its_shape(kind: SaliencyKind) -> None:
    rows: set[int] = set()
    inner = network(functional.relu).score

    def score(images: Tensor) -> Tensor:
        rows.add(len(images))
        return inner(images)

    saliency_maps(Scorer(score), pictures(7), torch.zeros(7, dtype=torch.int64), kind, shapes=Shapes(1, 3, 4))
    assert rows == ({4} if kind is INTEGRATED else {3})


@pytest.mark.parametrize("kind", [GRADIENT, INTEGRATED])
def test_a_score_that_ignores_the_image_has_a_blank_map(kind: SaliencyKind) -> None:
    flat = Scorer(lambda images: torch.full((len(images), 2), 0.5))
    assert not saliency_maps(flat, pictures(1), torch.tensor([0]), kind).any()


class Fragile(nn.Module):
    """Fails on its way forward, or on its way back."""

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(SIDE * SIDE, 2))
        self.trouble = trouble

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        if self.trouble == "forward":
            raise RuntimeError("forward")
        if self.trouble == "backward" and scores.requires_grad:
            scores.register_hook(self._fail)  # type: ignore[no-untyped-call]
        return scores

    def _fail(self, _gradient: Tensor) -> None:
        raise RuntimeError("backward")


@pytest.mark.parametrize("trouble", ["none", "forward", "backward"])
@pytest.mark.parametrize("kind", SaliencyKind)
def test_a_network_is_as_it_was_even_after_it_failed(kind: SaliencyKind, trouble: str) -> None:
    model = Fragile("none")
    images = pictures(2).requires_grad_(True)
    before = torch.autograd.grad(model(images).sum(), images)[0]
    model.trouble = trouble
    with nullcontext() if trouble == "none" else pytest.raises(RuntimeError, match=trouble):
        saliency_maps(Scorer(model), images, torch.tensor([0, 1]), kind)
    model.trouble = "none"
    assert torch.equal(torch.autograd.grad(model(images).sum(), images)[0], before)
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert images.grad is None


def test_a_densenet_with_relus_in_place_has_all_three_maps() -> None:
    library = pytest.importorskip("torchxrayvision")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        densenet = library.models.DenseNet(num_classes=2, growth_rate=8, block_config=(2, 2), num_init_features=16)
    scorer = Scorer(lambda images: torch.sigmoid(densenet.eval()(images) / 1000))
    images, columns = pictures(2, 224) * 1024, torch.tensor([0, 1])
    maps = {kind: saliency_maps(scorer, images, columns, kind) for kind in SaliencyKind}
    assert all(math.isfinite(float(m.sum())) and m.any() for m in maps.values())
    assert not torch.allclose(maps[GUIDED], maps[GRADIENT])


# ---- in an explanation ----

FIXED = ExplainOptions(("A",), Profile.FIXED, frames=3, lambda_min=-1.0)


def test_an_explanation_carries_the_maps_asked_for_in_their_order_and_its_receipt_tells_them() -> None:
    engine, kinds = Engine(ConvolutionalModel()), (GUIDED, GRADIENT)
    explanation = explain_one(engine, noise(1, 32, 32), replace(FIXED, findings=("C",), saliency=kinds))
    assert tuple(each.kind for each in explanation.saliency) == explanation.receipt.options.saliency == kinds
    image = prepare(noise(1, 32, 32), engine.spec)[None]
    for each in explanation.saliency:
        expected = saliency_maps(ConvolutionalModel(), image, torch.tensor([2]), each.kind)[0]
        assert each.values.dtype == np.float32
        np.testing.assert_array_equal(each.values, expected.numpy())


def test_maps_change_nothing_else_of_an_explanation() -> None:
    engine, radiograph = Engine(ConvolutionalModel()), noise(1, 32, 32)
    plain = explain_one(engine, radiograph, FIXED)
    mapped = explain_one(engine, radiograph, replace(FIXED, saliency=tuple(SaliencyKind)))
    receipt = replace(mapped.receipt, options=plain.receipt.options)
    without = codec.encode_explanation(replace(mapped, saliency=(), receipt=receipt))
    assert codec.to_bytes(without) == codec.to_bytes(codec.encode_explanation(plain))


def test_the_reply_counts_the_rows_of_maps_and_times_them_only_where_they_are_asked_for() -> None:
    engine = Engine(ConvolutionalModel())
    plain, mapped = (
        engine.explain([Order(noise(1), replace(FIXED, saliency=saliency))]) for saliency in ((), tuple(SaliencyKind))
    )
    assert mapped.rows - plain.rows == 1 + PATH_STEPS + 1
    assert plain.stages.saliency == 0.0 < mapped.stages.saliency


def test_a_map_that_the_model_cannot_have_is_its_own_orders_problem() -> None:
    orders = [Order(noise(seed), replace(FIXED, saliency=saliency)) for seed, saliency in ((1, (GUIDED,)), (2, ()))]
    refused, answered = Engine(LinearModel()).explain(orders).outcomes
    assert isinstance(refused, Problem)
    assert refused.code is ProblemCode.INVALID_REQUEST
    assert "needs a classifier with ReLU" in refused.message
    assert not isinstance(answered, Problem)


class Kinked(CurveModel):
    """A score whose slope is not a number where a pixel is quite dark, as never on a reconstruction of one grey."""

    def score(self, images: Tensor) -> Tensor:
        return super().score(images) + 0.0 * images.amin((1, 2, 3)).sqrt()[:, None]


def test_a_map_that_is_not_finite_is_a_problem_and_not_shown() -> None:
    engine = Engine(Kinked((logistic(0.5, 1.0),)))
    options = replace(FIXED, findings=("F0",))
    radiograph = noise(1)
    radiograph.pixels[0, 0] = 0.0
    assert explain_one(engine, radiograph, options).saliency == ()
    problem = problem_of(engine, radiograph, replace(options, saliency=(GRADIENT,)))
    assert problem.code is ProblemCode.INTERNAL
    assert "input-gradient of this image is not finite" in problem.message
