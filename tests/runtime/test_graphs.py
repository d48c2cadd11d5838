"""Graphs of a model's passes: fewer steps, the same numbers; and the rules of the gradient against autograd."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from cxrshift.core.runtime import Eager, Shapes
from cxrshift.runtime.backward import avg_pool2d_backward, convolution_backward, differentiate, max_pool2d_backward
from cxrshift.runtime.graphs import aten, simplify, trace_passes
from cxrshift.runtime.torch_graph import group_norm
from tests.runtime.networks import SIDE, Varied, pictures

SHAPES = Shapes(encode=2, gradient=3, probe=4)
assert_close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)


def steps(graph: fx.GraphModule) -> Counter[str]:
    return Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_function")


@pytest.fixture(scope="module")
def networks() -> Varied:
    return Varied()


def test_graphs_give_what_the_networks_give(networks: Varied) -> None:
    graphs, eager = trace_passes(networks, SHAPES, SIDE, "cpu"), Eager(networks, SHAPES)
    images = pictures(2)
    latents = eager.encode(pictures(4))
    assert_close(graphs.encode(images), eager.encode(images))
    assert_close(graphs.score(images), eager.score(images))
    for graph, rows in ((graphs.probe, 4), (graphs.forward, 3)):
        frames, scores = graph(latents[:rows])
        expected = eager.probe(latents[:rows])
        torch.testing.assert_close(frames, expected[0], rtol=1e-5, atol=1e-2)
        assert_close(scores, expected[1])


def test_a_batch_norm_goes_into_the_convolution_before_it_and_is_two_numbers_elsewhere(networks: Varied) -> None:
    graphs = trace_passes(networks, SHAPES, SIDE, "cpu")
    assert not any("batch_norm" in step for graph in (graphs.encode, graphs.probe) for step in steps(graph))
    assert steps(graphs.encode)["aten.addcmul.default"] == 0
    assert steps(graphs.probe)["aten.addcmul.default"] == 2  # dense and tail have no convolution of their own before


def test_a_batch_norm_stays_where_its_convolution_has_another_use() -> None:
    convolution, norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
    norm.running_mean = torch.tensor([0.5, -1.0])
    both = nn.ModuleList([convolution, norm]).eval().requires_grad_(False)

    def function(x: Tensor) -> Tensor:
        y = both[0](x)
        return y + both[1](y)  # type: ignore[no-any-return]

    x = pictures(1)
    graph = simplify(make_fx(function)(x))
    torch.testing.assert_close(graph(x), function(x))
    assert steps(graph)["aten.addcmul.default"] == 1


def test_what_depends_on_no_input_is_calculated_once() -> None:
    weight = torch.tensor([[1.0, float("nan")], [3.0, 4.0]])
    graph = simplify(make_fx(lambda x: x @ torch.where(torch.isnan(weight), 2.0, weight).exp())(torch.ones(2, 2)))
    assert steps(graph)["aten.exp.default"] == 0
    assert steps(graph)["aten.isnan.default"] == 0


@pytest.mark.parametrize("size", [(40, 52), (11, 7)])
@pytest.mark.parametrize("antialias", [False, True])
def test_a_resize_becomes_two_products_with_the_same_result(size: tuple[int, int], antialias: bool) -> None:
    class Resizing(Varied):
        def encode(self, images: Tensor) -> Tensor:
            return functional.interpolate(images, size=size, mode="bilinear", antialias=antialias)

        def decode(self, latents: Tensor) -> Tensor:
            return functional.interpolate(latents, size=(SIDE, SIDE), mode="bilinear", antialias=antialias)

    networks = Resizing()
    graphs = trace_passes(networks, SHAPES, SIDE, "cpu")
    assert not any("upsample" in step for step in steps(graphs.encode))
    torch.testing.assert_close(graphs.encode(pictures(2)), networks.encode(pictures(2)), rtol=1e-5, atol=1e-3)


def test_the_differentiated_graph_is_the_latent_gradient(networks: Varied) -> None:
    graphs, eager = trace_passes(networks, SHAPES, SIDE, "cpu"), Eager(networks, SHAPES)
    gradient, _ = differentiate(graphs, 3)
    latents = eager.encode(pictures(3))
    expected, frames, scores = eager.differentiate(latents, torch.tensor([[2], [0], [1]]))
    one_hot = torch.eye(3)[[2, 0, 1]]
    found = gradient(latents, one_hot)
    torch.testing.assert_close(found[0], expected[:, 0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found[1], frames, rtol=1e-5, atol=1e-2)
    assert_close(found[2], scores)
    assert not any("backward" in step for step in steps(gradient))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups", "transposed"),
    [
        (3, 1, 1, 1, 1, False),
        (1, 1, 0, 1, 1, False),
        (3, 1, 0, 2, 2, False),
        (1, 1, 2, 1, 1, False),  # more padding than the kernel reaches
        (3, 2, 1, 1, 1, False),
        (4, 3, 1, 2, 4, False),
        (2, 2, 0, 1, 2, True),
        (4, 2, 1, 1, 1, True),
    ],
)
def test_a_convolution_passes_back_what_autograd_says(
    kernel: int, stride: int, padding: int, dilation: int, groups: int, transposed: bool
) -> None:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, 8, 17, 14, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8, 8 // groups, kernel, kernel, generator=random, dtype=torch.float64)
    geometry = ([stride] * 2, [padding] * 2, [dilation] * 2, transposed, [0, 0], groups)
    y = aten.convolution.default(x, weight, None, *geometry)
    above = torch.randn(y.shape, generator=random, dtype=torch.float64)
    (expected,) = torch.autograd.grad(y, x, above)
    found, _, _ = convolution_backward(above, x.detach(), weight, None, *geometry, [True, False, False])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)])
def test_poolings_pass_back_what_autograd_says_ties_included(kernel: int, stride: int, padding: int) -> None:
    random = torch.Generator().manual_seed(2)
    x = torch.randint(0, 4, (2, 3, 13, 12), generator=random).double().requires_grad_(True)
    pool = ([kernel] * 2, [stride] * 2, [padding] * 2)
    y, indices = aten.max_pool2d_with_indices.default(x, *pool, [1, 1], False)
    above = torch.randn(y.shape, generator=random, dtype=torch.float64)
    (expected,) = torch.autograd.grad(y, x, above)
    torch.testing.assert_close(max_pool2d_backward(above, x.detach(), *pool, [1, 1], False, indices), expected)
    mean = aten.avg_pool2d.default(x, *pool, False, True)
    (expected,) = torch.autograd.grad(mean, x, above)
    torch.testing.assert_close(avg_pool2d_backward(above, x.detach(), *pool, False, True, None), expected)


def test_a_pooling_without_a_rule_is_refused_rather_than_guessed() -> None:
    x, above = torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 3, 3)
    with pytest.raises(NotImplementedError, match="rounds its size up"):
        max_pool2d_backward(above, x, [2, 2], [2, 2], [0, 0], [1, 1], True, above.long())
    with pytest.raises(NotImplementedError, match="unequal size"):
        avg_pool2d_backward(above, x, [2, 2], [2, 2], [1, 1], False, False, None)


@pytest.mark.parametrize("affine", [True, False])
def test_group_normalisation_by_elementary_steps_is_torchs_own(affine: bool) -> None:
    values = torch.randn(3, 8, 5, 6, generator=torch.Generator().manual_seed(1)).to(memory_format=torch.channels_last)
    norm = nn.GroupNorm(2, 8, affine=affine)
    if affine:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -1.0, 1.0)
    (found,) = group_norm(values, norm.weight, norm.bias, 3, 8, 30, 2, norm.eps)
    torch.testing.assert_close(found, norm(values))
    assert found.is_contiguous(memory_format=torch.channels_last)
