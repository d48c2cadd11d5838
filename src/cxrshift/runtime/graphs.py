"""A model's passes as graphs of elementary operations, at fixed shapes, with every BatchNorm folded away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from ..core.model import LatentModel
from ..core.resize import resize_by_products
from ..core.runtime import Shapes, decode_and_score

aten = torch.ops.aten

Operation = Callable[..., Any]
Rules = Mapping[OpOverload, Operation]


@dataclass(frozen=True, eq=False)
class Graphs:
    """What a runtime runs. Each takes and returns tensors whose first size is that of ``shapes``.

    ``encode`` and ``score`` take images (E, 1, S, S); ``probe`` takes latents (P, ...) to frames and scores, and so
    does ``forward`` with the gradient's number of rows (G, ...). ``images`` (1, 1, S, S) float32 in model units and
    ``latents`` (1, ...) float32 in latent units are examples of one row.
    """

    encode: fx.GraphModule
    score: fx.GraphModule
    probe: fx.GraphModule
    forward: fx.GraphModule
    shapes: Shapes
    images: Tensor
    latents: Tensor


def trace_passes(networks: LatentModel, shapes: Shapes, input_size: int, device: str) -> Graphs:
    """Graphs of ``networks``, which must be frozen, in evaluation mode and on ``device``.

    What does not depend on the input is calculated once, here. Raises whatever the networks raise.
    """
    images = torch.zeros(1, 1, input_size, input_size, device=device)
    with torch.no_grad():
        latents = networks.encode(images)

        def traced(function: Operation, example: Tensor, rows: int) -> fx.GraphModule:
            pure = functionalize(function)  # networks may write over their own intermediate results
            return simplify(make_fx(pure, decomposition_table=_FORWARD)(repeat(example, rows)))

        return Graphs(
            encode=traced(lambda x: networks.encode(x), images, shapes.encode),
            score=traced(lambda x: networks.score(x), images, shapes.encode),
            probe=traced(lambda z: decode_and_score(networks, z), latents, shapes.probe),
            forward=traced(lambda z: decode_and_score(networks, z), latents, shapes.gradient),
            shapes=shapes,
            images=images,
            latents=latents,
        )


def repeat(example: Tensor, rows: int) -> Tensor:
    """``rows`` copies (rows, ...) of ``example`` (1, ...), of any type, in memory of their own."""
    return example.expand(rows, *example.shape[1:]).contiguous()


def simplify(graph: fx.GraphModule) -> fx.GraphModule:
    """The same function with fewer steps: BatchNorm folded, constants calculated, what no one uses left out."""
    fold_batch_norms(graph)
    fold_constants(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def fold_batch_norms(graph: fx.GraphModule) -> None:
    """Replace each BatchNorm of fixed statistics by what it comes to: y = x a + b, a = w / √(v + ε), b = β − m a.

    Where a convolution alone comes before it, a and b go into that convolution's weights, and no step remains
    (Ioffe and Szegedy 2015, arXiv 1502.03167, section 3.1).
    """
    for node in list(graph.graph.nodes):
        if node.target not in _BATCH_NORMS or node.args[5] is True:  # True: it would use this batch's own statistics
            continue
        source, weight, bias, mean, variance = node.args[:5]
        scale = torch.rsqrt(_value(graph, variance) + node.args[-1])
        scale = scale if weight is None else scale * _value(graph, weight)
        shift = -_value(graph, mean) * scale
        shift = shift if bias is None else shift + _value(graph, bias)
        if _only_feeds(source, node) and source.args[1].op == "get_attr":
            folded = _into_convolution(graph, source, scale, shift)
        else:
            shape = (1, -1, *[1] * (source.meta["val"].ndim - 2))
            with graph.graph.inserting_before(node):
                a, b = (_constant(graph, value.reshape(shape)) for value in (scale, shift))
                folded = graph.graph.call_function(aten.addcmul.default, (b, source, a))
        for output in list(node.users):  # getitem 0; the saved statistics have no user
            output.replace_all_uses_with(folded)
    graph.graph.eliminate_dead_code()


def fold_constants(graph: fx.GraphModule) -> None:
    """Replace every step whose inputs are all constants by its result; a filled tensor only where it is one number."""
    for node in graph.graph.nodes:
        inputs = node.all_input_nodes
        if node.op != "call_function" or any(i.op != "get_attr" for i in inputs) or _is_random(node):
            continue
        fetched: Any = fx.map_arg((node.args, node.kwargs), lambda i: _value(graph, i))
        with torch.no_grad():
            result = node.target(*fetched[0], **fetched[1])
        if isinstance(result, Tensor) and (inputs or result.numel() == 1):
            with graph.graph.inserting_before(node):
                node.replace_all_uses_with(_constant(graph, result))
    graph.graph.eliminate_dead_code()


def _is_random(node: fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def constants(graph: fx.GraphModule) -> Mapping[str, Tensor]:
    """The tensors that a graph uses, by name: each of its own shape (...) and of any type."""
    return MappingProxyType({str(n.target): _value(graph, n) for n in graph.graph.nodes if n.op == "get_attr"})


def set_constant(graph: fx.GraphModule, name: str, value: Tensor) -> None:
    """Give the constant ``name`` another ``value`` (...), of any type; the networks that it came from keep theirs."""
    delattr(graph, name)
    graph.register_buffer(name, value.detach())


_BATCH_NORMS: Final = frozenset(
    {aten.native_batch_norm.default, aten.cudnn_batch_norm.default, aten.miopen_batch_norm.default}
)
"""All take input, weight, bias, mean, variance, whether training, ..., ε."""


def _into_convolution(graph: fx.GraphModule, convolution: fx.Node, scale: Tensor, shift: Tensor) -> fx.Node:
    arguments: list[Any] = list(convolution.args)
    weight, bias = _value(graph, arguments[1]), arguments[2]
    transposed, groups = bool(arguments[6]), int(arguments[8])
    if transposed:  # (in, out / groups, ...): the outputs of a group lie side by side in every one of its rows
        by_row = scale.reshape(groups, 1, -1).expand(-1, weight.shape[0] // groups, -1).reshape(weight.shape[0], -1)
    else:
        by_row = scale[:, None]
    with graph.graph.inserting_before(convolution):
        arguments[1] = _constant(graph, weight * by_row.reshape(*by_row.shape, *[1] * (weight.ndim - 2)))
        arguments[2] = _constant(graph, shift if bias is None else shift + scale * _value(graph, bias))
    convolution.args = tuple(arguments)
    return convolution


def _only_feeds(source: fx.Node, node: fx.Node) -> bool:
    return source.target is aten.convolution.default and list(source.users) == [node]


def _value(graph: fx.GraphModule, node: Any) -> Tensor:
    value: Tensor = getattr(graph, node.target)
    return value


def _constant(graph: fx.GraphModule, value: Tensor) -> fx.Node:
    name = f"folded_{sum(1 for _ in graph.buffers())}"
    graph.register_buffer(name, value.detach().contiguous())
    node = graph.graph.get_attr(name)
    node.meta["val"] = value
    return node


def _resize(images: Tensor, size: list[int], align_corners: bool, *_: object, antialias: bool) -> Tensor:
    height, width = size
    return resize_by_products(images, (height, width), align_corners=align_corners, antialias=antialias)


_FORWARD: Final[Rules] = MappingProxyType(
    {
        aten._upsample_bilinear2d_aa.default: lambda *a: _resize(*a, antialias=True),
        aten.upsample_bilinear2d.default: lambda *a: _resize(*a, antialias=False),
    }
)
