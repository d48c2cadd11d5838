"""A ``torch.export`` graph as a module: each step calls one of torch's own tensor operators, eagerly.

Run so, a program is differentiable, bitwise what the original module computed, and free of the guards that fix the
number of rows for which it was traced.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn

from ..errors import WeightsError

DTYPES: Final[Mapping[int, torch.dtype]] = MappingProxyType(
    {
        1: torch.uint8,
        2: torch.int8,
        3: torch.int16,
        4: torch.int32,
        5: torch.int64,
        6: torch.float16,
        7: torch.float32,
        8: torch.float64,
        12: torch.bool,
        13: torch.bfloat16,
    }
)
"""The numbers that the format gives to dtypes."""

_MEMORY: Final = {1: torch.contiguous_format, 2: torch.channels_last, 4: torch.preserve_format}
_PLAIN: Final = frozenset(
    {"as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_strings", "as_int_lists"}
)
_NUMBERS: Final[Mapping[str, Callable[..., object]]] = MappingProxyType(
    {f"_operator.{f.__name__}": f for f in (operator.add, operator.sub, operator.mul, operator.neg, operator.pow)}
    | {f"_operator.{f.__name__}": f for f in (operator.floordiv, operator.truediv, operator.mod, operator.getitem)}
    | {f"_operator.{n}": getattr(operator, n) for n in ("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_")}
    | {"torch.sym_max": max, "torch.sym_min": min, "torch.sym_float": float, "torch.sym_not": operator.not_}
    | {"math.trunc": math.trunc, "math.floor": math.floor, "math.ceil": math.ceil}
)
"""Arithmetic on sizes, which are plain numbers here."""

_ATEN: Final = re.compile(r"torch\.ops\.aten\.([a-z][a-z0-9_]*|_[a-z0-9_]+)\.([A-Za-z0-9_]+)")
_PRIVATE: Final = frozenset(
    (
        *("_softmax", "_log_softmax", "_to_copy", "_unsafe_view", "_unsafe_index", "_convolution"),
        *("_adaptive_avg_pool2d", "_native_batch_norm_legit_no_training", "_weight_norm_interface"),
        *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
    )
)
"""Operators with an underscore that exporting writes; the others are torch's own business."""

_NEVER: Final = frozenset(("from_file", "set_", "resize_", "resize_as_", "as_strided_", "data", "set_data"))
"""Operators that reach a file, or memory beyond their tensors."""

_CHECKS: Final = ("torch.ops.aten._assert_", "torch.ops.aten.sym_constrain_range")
"""Steps that only check; ``models.check`` says more, in words."""

_Values = dict[str, Any]
_Fetch = Callable[[_Values, torch.device], object]


@dataclass(frozen=True)
class Step:
    """One call of a program.

    ``call`` is what is called, with ``positional`` and ``named`` arguments; ``results`` is what its results are called,
    and ``spent`` what nobody needs after it.
    """

    call: Callable[..., object]
    positional: tuple[_Fetch, ...]
    named: Mapping[str, _Fetch]
    results: tuple[str | tuple[str, ...], ...]
    spent: tuple[str, ...] = ()

    def run(self, values: _Values, device: torch.device) -> None:
        """Replace in ``values`` what is spent by what the call returns."""
        named = {name: fetch(values, device) for name, fetch in self.named.items()}
        result: Any = self.call(*(fetch(values, device) for fetch in self.positional), **named)
        for name, one in zip(self.results, (result,) if len(self.results) == 1 else result, strict=False):
            values.update(zip(name, one, strict=True) if isinstance(name, tuple) else ((name, one),))
        for name in self.spent:
            values.pop(name, None)


class Program(nn.Module):
    """Steps over stored tensors: ``argument`` and ``result`` name the tensor that is given and the one returned.

    ``stored`` are tensors by name, each of its own shape (...) and any type.
    """

    def __init__(self, steps: Sequence[Step], stored: Mapping[str, Tensor], *, argument: str, result: str) -> None:
        super().__init__()
        self._steps = tuple(steps)
        self._argument = argument
        self._result = result
        self._buffers_of = {name: f"stored_{i}" for i, name in enumerate(stored)}
        for name, tensor in stored.items():
            self.register_buffer(self._buffers_of[name], tensor)

    def forward(self, x: Tensor) -> Tensor:
        """The program's result (N, ...), of any type, for ``x`` (N, ...), of any type, on the device of ``x``."""
        values: _Values = {name: getattr(self, buffer) for name, buffer in self._buffers_of.items()}
        values[self._argument] = x
        for step in self._steps:
            step.run(values, x.device)
        result: Tensor = values[self._result]
        return result


def read_steps(
    source: str, nodes: Sequence[Mapping[str, Any]], *, stored: Collection[str], result: str
) -> tuple[Step, ...]:
    """The steps of a graph's nodes, in order. Raises WeightsError that names an operator that must not or cannot run.

    ``stored`` names the tensors that no step may overwrite, ``result`` the one that outlives the last step.
    """
    needed = {result, *stored}
    steps: list[Step] = []
    for node in reversed([node for node in nodes if not node["target"].startswith(_CHECKS)]):
        call = _operator(source, node, stored)
        read: set[str] = set()
        fetches = [(one["name"], _argument(source, one["arg"], read)) for one in node["inputs"]]
        results = tuple(_result_names(source, output) for output in node["outputs"])
        made = {name for group in results for name in ((group,) if isinstance(group, str) else group)}
        spent = tuple(sorted((read | made) - needed))
        needed |= read
        if isinstance(call, torch._ops.OpOverload):  # its schema knows its arguments by name, Python's functions do not
            steps.append(Step(call, (), dict(fetches), results, spent))
        else:
            steps.append(Step(call, tuple(fetch for _, fetch in fetches), {}, results, spent))
    return tuple(reversed(steps))


def _operator(source: str, node: Mapping[str, Any], stored: Collection[str]) -> Callable[..., object]:
    target: str = node["target"]
    if target in _NUMBERS:
        return _NUMBERS[target]
    found = _ATEN.fullmatch(target)
    if found is None or found[1] in _NEVER or (found[1].startswith("_") and found[1] not in _PRIVATE):
        hint = " (torch.no_grad inside a network stops its gradient)" if "set_grad_enabled" in target else ""
        raise WeightsError(f"{source} uses {target}{hint}; only plain tensor operators can be explained and served.")
    call = getattr(getattr(torch.ops.aten, found[1], None), found[2], None)
    if not isinstance(call, torch._ops.OpOverload):
        raise WeightsError(f"{source} uses {target}, which the installed torch does not have.")
    for one in node["inputs"]:
        if one["name"] in ("train", "training") and one["arg"].get("as_bool"):
            raise WeightsError(f"{source} was exported in training mode: call .eval() before torch.export.")
    if call._schema.is_mutable and node["inputs"][0]["arg"].get("as_tensor", {}).get("name") in stored:
        raise WeightsError(f"{source} changes its own buffers when it runs: call .eval() before torch.export.")
    return call


def _argument(source: str, arg: Mapping[str, Any], read: set[str]) -> _Fetch:
    """How to come by one argument when a step runs; names of earlier results that it needs are added to ``read``."""
    ((form, value),) = arg.items()
    if form in _PLAIN:
        return _constant(value)
    match form:
        case "as_none":
            return _constant(None)
        case "as_tensor" | "as_sym_int" | "as_sym_float" | "as_sym_bool" | "as_optional_tensor":
            return _one(value, read)
        case "as_tensors" | "as_sym_ints" | "as_sym_floats" | "as_sym_bools" | "as_optional_tensors":
            fetches = [_one(item, read) for item in value]
            return lambda values, device: [fetch(values, device) for fetch in fetches]
        case "as_scalar_type":
            return _constant(DTYPES[value])
        case "as_memory_format":
            return _constant(_MEMORY[value])
        case "as_layout":
            return _constant(torch.strided)
        case "as_device":  # where it was exported is not where it runs
            return lambda values, device: device
    raise WeightsError(f"{source} gives an operator an argument that this version cannot read ({form}).")


def _one(value: Mapping[str, Any], read: set[str]) -> _Fetch:
    """A tensor or a number by name, or a number as it stands."""
    ((form, content),) = value.items()
    if form == "as_tensor":
        content = content["name"]
    elif form not in ("name", "as_name"):
        return _constant(None if form == "as_none" else content)
    name: str = content
    read.add(name)
    return lambda values, device: values[name]


def _constant(value: object) -> _Fetch:
    return lambda values, device: value


def _result_names(source: str, output: Mapping[str, Any]) -> str | tuple[str, ...]:
    ((form, value),) = output.items()
    match form:
        case "as_tensor":
            return str(value["name"])
        case "as_tensors":
            return tuple(str(one["name"]) for one in value)
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return str(value["as_name"])
        case "as_none":
            return ""
    raise WeightsError(f"{source} has an operator with a result that this version cannot read ({form}).")
