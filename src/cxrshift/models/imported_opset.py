"""An ONNX graph of a newer opset in the words of opset 17, the last one that onnx2torch knows.

Since then most operators only learnt further types; the few whose form changed are rewritten here. (onnx's own version
converter gives up at many of the former: it has no way down from Split 18 or ConstantOfShape 20.) What is left over of
the new form then fails onnx's own check against opset 17, so nothing is quietly read as something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto

OPSET: Final = 17
"""Version of ONNX's operators that files are brought to."""
DOMAINS: Final = ("", "ai.onnx")

_REDUCTIONS: Final = frozenset(
    f"Reduce{name}" for name in ("Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
)
"""Their axes were an attribute and are an input since opset 18; ReduceSum's have been one since 13."""

_DEFAULTS: Final[Mapping[tuple[str, str], Callable[[object], bool]]] = MappingProxyType(
    {
        ("Resize", "antialias"): lambda value: value == 0,
        ("Resize", "keep_aspect_ratio_policy"): lambda value: value == b"stretch",
        ("AveragePool", "dilations"): lambda value: set(value) == {1},  # type: ignore[call-overload]
        ("Cast", "saturate"): lambda value: True,  # of 8-bit floats only
        ("Cast", "round_mode"): lambda value: True,
        ("Split", "num_outputs"): lambda value: (
            True
        ),  # equal parts, as many as there are outputs, is also the old default
    }
)
"""New attributes that may be dropped, and for which values."""


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators that the model is written in."""
    return max((opset.version for opset in model.opset_import if opset.domain in DOMAINS), default=0)


def lower(model: ModelProto) -> None:
    """Rewrite the model in place as one of opset 17; onnx's checker tells whether that was possible."""
    constants = _constants(model.graph)
    for node in model.graph.node:
        if node.op_type in _REDUCTIONS:
            _axes_to_attribute(node, constants)
        for attribute in list(node.attribute):
            if _may_go(node, attribute.name):
                node.attribute.remove(attribute)
    for opset in model.opset_import:
        if opset.domain in DOMAINS:
            opset.version = OPSET


def _constants(graph: GraphProto) -> dict[str, NDArray[Any]]:
    """Every tensor that is known before the graph runs, by name."""
    from onnx import numpy_helper

    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            known.update((node.output[0], numpy_helper.to_array(a.t)) for a in node.attribute if a.name == "value")
    return known


def _axes_to_attribute(node: NodeProto, constants: Mapping[str, NDArray[Any]]) -> None:
    from onnx import helper

    for attribute in [a for a in node.attribute if a.name == "noop_with_empty_axes" and not a.i]:
        node.attribute.remove(attribute)
    if len(node.input) == 2 and node.input[1] in constants:
        axes = constants[node.input[1]].tolist()
        del node.input[1:]
        node.attribute.append(helper.make_attribute("axes", axes))


def _may_go(node: NodeProto, name: str) -> bool:
    from onnx import helper

    is_default = _DEFAULTS.get((node.op_type, name))
    return is_default is not None and is_default(helper.get_node_attr_value(node, name))
