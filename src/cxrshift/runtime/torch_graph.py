"""Torch on simplified graphs: BatchNorm folded, channels last, a lower precision where asked, CUDA graphs on a GPU.

On a GPU tensor cores want channels last; its plain float32 convolutions are those of the usual order, and would turn
every picture around and back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Final

import torch
from torch import Tensor, fx

from ..core.model import Model
from ..core.passes import in_chunks
from ..core.runtime import Shapes, latent_gradients, products_of
from ..errors import MethodError
from .graphs import Graphs, aten, constants, repeat, set_constant, trace_passes

Call = Callable[..., tuple[Tensor, ...]]

_LOW: Final = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_CARRY: Final = frozenset(
    {
        *(aten.relu.default, aten.leaky_relu.default, aten.silu.default, aten.add.Tensor, aten.addcmul.default),
        *(aten.cat.default, aten.max_pool2d_with_indices.default, aten.avg_pool2d.default, aten.pixel_shuffle.default),
        *(aten.alias.default, aten.clone.default, aten.slice.Tensor, aten.constant_pad_nd.default),
    }
)
"""Steps between convolutions that lose nothing by staying in a low precision; all others are done in float32."""


@dataclass(frozen=True, eq=False)
class TorchGraph:
    """A model's graphs in torch. The gradient is of float32 unless the precision is tfloat32."""

    precision: str
    shapes: Shapes
    encoder: Call
    scorer: Call
    prober: Call
    gradient: Call
    shares_forward: bool
    """Not where the gradient was captured: for one finding."""
    name: str = "torch-graph"

    def encode(self, images: Tensor) -> Tensor:
        """As ``Runtime.encode``."""
        return self.encoder(images)[0]

    def score(self, images: Tensor) -> Tensor:
        """As ``Runtime.score``."""
        return self.scorer(images)[0]

    def probe(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As ``Runtime.probe``."""
        frames, scores = self.prober(latents)
        return frames, scores

    def differentiate(self, latents: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As ``Runtime.differentiate``; frames and scores in the precision of ``probe``."""
        width = columns.shape[1] if self.shares_forward else 1
        parts = [columns[:, j : j + width] for j in range(0, columns.shape[1], width)]
        found = [self.gradient(latents, part) for part in parts]
        gradients = torch.cat([gradient for gradient, _, _ in found], 1)
        if self.precision in _LOW:
            frames, scores = in_chunks(self.probe, self.shapes.probe, latents)
            return gradients, frames, scores
        return gradients, found[0][1], found[0][2]


def trace_torch_graph(model: Model, precision: str, shapes: Shapes) -> TorchGraph:
    """The runtime torch-graph of ``model``. Raises MethodError where its networks cannot be traced."""
    try:
        graphs = trace_passes(model.networks, shapes, model.spec.input_size, model.device)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        raise MethodError(
            f"{model.spec.name} cannot be traced ({type(error).__name__}). The runtime torch runs it."
        ) from error
    return _prepare(graphs, precision)


def _prepare(graphs: Graphs, precision: str) -> TorchGraph:
    shapes, cuda = graphs.shapes, graphs.images.is_cuda
    if precision in _LOW:
        for graph in (graphs.score, graphs.probe):
            lower(graph, _LOW[precision])
    images, latents = repeat(graphs.images, shapes.encode), repeat(graphs.latents, shapes.probe)
    rows = repeat(graphs.latents, shapes.gradient)
    columns = torch.zeros(shapes.gradient, 1, dtype=torch.int64, device=rows.device)
    coarse = precision == "tfloat32"
    in_cores = precision != "float32" or not cuda
    encode, forward = (_laid_out(each, last=coarse or not cuda, cuda=cuda) for each in (graphs.encode, graphs.forward))
    score, probe = (_laid_out(each, last=in_cores, cuda=cuda) for each in (graphs.score, graphs.probe))

    def ready(call: Call, *examples: Tensor) -> Call:
        exact = _exactly(call, tf32=coarse)
        return capture(exact, *examples) if cuda else exact

    return TorchGraph(
        precision=precision,
        shapes=shapes,
        encoder=ready(_without_graph(lambda x: (encode(x),)), images),
        scorer=ready(_without_graph(lambda x: (score(x),)), images),
        prober=ready(_without_graph(probe), latents),
        gradient=ready(partial(latent_gradients, forward), rows, columns),
        shares_forward=not cuda,
    )


def _laid_out(graph: fx.GraphModule, *, last: bool, cuda: bool) -> Callable[[Tensor], Any]:
    """``graph`` in channels last, or as it was traced."""
    if not last:
        return graph
    _to_channels_last(graph)
    if cuda:
        _split_group_norms(graph)
    return lambda value: graph(_last(value))


def lower(graph: fx.GraphModule, precision: torch.dtype) -> None:
    """Let convolutions and what only carries their results run in ``precision``; all else, and outputs, in float32."""
    for name, value in constants(graph).items():
        uses = [user for node in graph.graph.nodes if node.target == name for user in node.users]
        if value.is_floating_point() and uses and all(_is_low(user) for user in uses):
            set_constant(graph, name, value.to(precision))
    for node in list(graph.graph.nodes):
        if node.op not in ("call_function", "output"):
            continue
        cast = partial(_cast, graph, user=node, wanted=precision if _is_low(node) else torch.float32)
        node.args = fx.map_arg(node.args, cast)
    graph.recompile()


def _is_low(node: fx.Node) -> bool:
    return node.target is aten.convolution.default or node.target in _CARRY


def _cast(graph: fx.GraphModule, source: fx.Node, user: fx.Node, wanted: torch.dtype) -> fx.Node:
    """``source`` in the dtype that ``user`` wants; integers and masks stay what they are."""
    if source.op == "get_attr" and not getattr(graph, str(source.target)).is_floating_point():
        return source
    with graph.graph.inserting_before(user):
        return graph.graph.call_function(_to_dtype, (source, wanted))


def _to_dtype(value: Any, dtype: torch.dtype) -> Any:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(dtype) if floating else value  # a pooling's pair passes through to its getitem


def _to_channels_last(graph: fx.GraphModule) -> None:
    for name, value in constants(graph).items():
        if value.ndim == 4:
            set_constant(graph, name, _last(value))


def _split_group_norms(graph: fx.GraphModule) -> None:
    """Group normalisation by elementary steps: torch's own one takes no channels last on a GPU."""
    for node in graph.graph.nodes:
        if node.target is aten.native_group_norm.default:
            node.target = group_norm
    graph.recompile()


def group_norm(
    values: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    rows: int,
    channels: int,
    places: int,
    groups: int,
    epsilon: float,
) -> tuple[Tensor, ...]:
    """``values`` (N, C, H, W) float32 to (values - mean) / √(variance + ε) w + b over each of ``groups`` groups.

    Wu and He 2018, arXiv 1803.08494. ``weight`` w (C,) and ``bias`` b (C,) are float32; None = 1 and 0. ``epsilon`` is
    ε > 0. The arguments are those of aten's operator, whose first result, (N, C, H, W) float32, this is.
    """
    grouped = values.reshape(rows, groups, channels // groups, *values.shape[2:])
    variance, mean = torch.var_mean(grouped, dim=(2, 3, 4), correction=0, keepdim=True)
    each = (1, groups, channels // groups, 1, 1)
    scale = torch.rsqrt(variance + epsilon)
    scale = scale.expand(-1, *each[1:]) if weight is None else scale * weight.reshape(each)
    shift = -mean * scale if bias is None else bias.reshape(each) - mean * scale
    whole = (rows, channels, 1, 1)
    return (torch.addcmul(shift.reshape(whole), values, scale.reshape(whole)),)


def _last(value: Tensor) -> Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value


def _without_graph(call: Call) -> Call:
    return torch.no_grad()(call)


def _exactly(call: Call, *, tf32: bool) -> Call:
    def exact(*inputs: Tensor) -> tuple[Tensor, ...]:
        with products_of(inputs[0], tf32=tf32):
            return call(*inputs)

    return exact


@dataclass(frozen=True, eq=False)
class Captured:
    """A call as one CUDA graph, whose hundreds of kernels are launched together, without Python between them.

    Safe to share between threads: its ``inputs`` (N, ...) and ``outputs`` (N, ...), of any type each, are its own
    memory, which one call at a time may use.
    """

    call: Call
    """Kept for its weights: the graph reads them where they are, and knows nothing of who owns that memory."""
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    turn: Lock

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        """What the call would return for ``given`` (N, ...), of any type each: (N, ...) in memory of the caller's."""
        with self.turn, torch.cuda.device(self.inputs[0].device):
            for own, value in zip(self.inputs, given, strict=True):
                own.copy_(value)
            self.graph.replay()
            return tuple(output.clone() for output in self.outputs)


def capture(call: Call, *examples: Tensor) -> Captured:
    """``call`` as a CUDA graph at the shapes of ``examples`` (N, ...), of any type each, on their device."""
    inputs = tuple(example.clone() for example in examples)
    with torch.cuda.device(inputs[0].device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # algorithms are chosen and memory is taken before, outside of the graph
            for _ in range(3):
                call(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = call(*inputs)
    return Captured(call, graph, inputs, outputs, Lock())
