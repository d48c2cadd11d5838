"""An ONNX model to a differentiable module, by onnx2torch.

An ONNX file is a graph and tensors, and no code. It may name other files that hold its tensors; such a file is refused,
because what would then be loaded is not what its SHA-256 stands for. A graph of a newer opset than onnx2torch knows is
first rewritten (``imported_opset``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import ModelError, WeightsError
from .imported_network import Network, Shape, last_line
from .imported_opset import DOMAINS, OPSET, lower, opset_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto


class Slice(nn.Module):
    """ONNX's Slice. onnx2torch's own indexes with a list, which torch has announced to read as something else."""

    def forward(
        self, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
    ) -> Tensor:
        """``x[..., start:end:step, ...]`` along each of ``axes``, by default the first ones.

        ``x`` (N, ...) is of any type; ``starts`` (K,), ``ends`` (K,), ``axes`` (K,) and ``steps`` (K,) are int64. The
        result is (N, ...) of the type of ``x``.
        """
        count = len(starts)
        along = range(count) if axes is None else axes.tolist()
        strides = [1] * count if steps is None else steps.tolist()
        for axis, start, end, stride in zip(along, starts.tolist(), ends.tolist(), strides, strict=True):
            picked = range(x.shape[axis])[start:end:stride]
            x = x.index_select(axis, torch.tensor(picked, device=x.device)) if stride != 1 else _narrow(x, axis, picked)
        return x


def _narrow(x: Tensor, axis: int, picked: range) -> Tensor:
    return x.narrow(axis, picked.start if picked else 0, len(picked))


def read_onnx(source: str, content: bytes) -> Network:
    """The network of the ONNX file ``source``. Raises WeightsError, which names operators that cannot be run.

    Raises ModelError where onnx or onnx2torch is not installed.
    """
    try:
        import onnx
        import onnx.inliner
        import onnx2torch
    except ImportError as error:
        raise ModelError("ONNX files need onnx and onnx2torch: install cxrshift[onnx].") from error
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own error, whose package this layer does not import
        raise WeightsError(f"{source} is no ONNX model.") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise WeightsError(f"{source} keeps tensors in other files; save it as one file (external_data=False).")
    takes = _input_shape(source, model.graph, onnx.TensorProto.FLOAT)
    model = _lowered(source, model)
    try:
        module: nn.Module = onnx2torch.convert(model)
    except (NotImplementedError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{source} cannot be made differentiable: {last_line(error)}") from error
    for name, part in list(module.named_modules()):
        if type(part).__name__ == "OnnxSlice":
            module.set_submodule(name, Slice())
    return Network(source, module, takes)


def _input_shape(source: str, graph: GraphProto, float32: int) -> Shape | None:
    stored = {tensor.name for tensor in graph.initializer}
    given: list[ValueInfoProto] = [value for value in graph.input if value.name not in stored]
    if len(given) != 1 or len(graph.output) != 1:
        raise WeightsError(
            f"{source} takes {len(given)} tensors and returns {len(graph.output)}; it must take one and return one."
        )
    kind = given[0].type.tensor_type
    if kind.elem_type != float32:
        raise WeightsError(f"{source} must take float32.")
    if not kind.HasField("shape"):
        return None
    return tuple(size.dim_value or None for size in kind.shape.dim)


def _lowered(source: str, model: ModelProto) -> ModelProto:
    """The same model in operators that onnx2torch knows, if there is a way."""
    import onnx

    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        if missing := _missing(model):
            raise WeightsError(f"{source} uses {', '.join(missing)}, which cannot be made differentiable here.")
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{source} is no valid ONNX model: {last_line(error)}") from error
    if opset_of(model) > OPSET:
        lower(model)
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise WeightsError(
                f"{source} needs a newer opset than {OPSET}, export it in that one: {last_line(error)}"
            ) from error
    for node in model.graph.node:
        _drop_allowzero(node)
    return model


def _missing(model: ModelProto) -> list[str]:
    """Operators of which onnx2torch knows no version, each once."""
    used = {("" if node.domain in DOMAINS else node.domain, node.op_type) for node in model.graph.node}
    return sorted(f"{domain}::{kind}".removeprefix("::") for domain, kind in used if not _is_known(domain, kind))


def _is_known(domain: str, kind: str) -> bool:
    from onnx2torch.node_converters import get_converter

    for version in range(OPSET, 0, -1):
        try:
            get_converter(kind, version, domain)
        except NotImplementedError:
            continue
        return True
    return False


def _drop_allowzero(node: NodeProto) -> None:
    """Reshape's flag tells how to read a size of 0, which no image and no latent has; onnx2torch refuses the flag."""
    if node.op_type == "Reshape":
        for attribute in [a for a in node.attribute if a.name == "allowzero"]:
            node.attribute.remove(attribute)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor that a graph stores: its own, its nodes', and those of graphs within them."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)
