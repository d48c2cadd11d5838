"""A TorchScript archive (.pt, .ts) to a module.

``torch.jit.load`` runs no Python: the archive's pickles are read by torch's own C++ reader, which knows tensors and
TorchScript objects alone. But the archive holds TorchScript code, which may call any operator registered with torch,
one that opens files among them, and whose ``__setstate__`` runs while it is loaded. So archives that have such methods
are refused before torch loads them, and afterwards those with an operator outside aten and prim, or one that reaches
files. What is left computes on tensors; still, a TorchScript file is a program: take it from somebody you trust, or
export with ``torch.export`` or ONNX, whose files are data.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from ..errors import WeightsError
from .imported_network import Network

_NAMESPACES: Final = ("aten::", "prim::")
_NEVER: Final = frozenset(
    ("aten::from_file", "aten::save", "aten::set_data", "aten::set_", "aten::resize_", "prim::PythonOp")
)


class Script(nn.Module):
    """A loaded TorchScript module, run as it is written.

    The optimising executor rewrites a graph after its first runs and may then round differently; an explanation's
    bytes must not depend on how often the network has run.
    """

    def __init__(self, script: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.script = script

    def forward(self, x: Tensor) -> object:
        """Whatever the script returns for ``x`` (N, ...), float32."""
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            result: object = self.script(x)
        return result


def is_script(names: list[str]) -> bool:
    """Whether a zip with these members is a TorchScript archive."""
    return any(name.partition("/")[2] == "constants.pkl" for name in names)


def read_script(source: str, content: bytes) -> Network:
    """The network of the TorchScript file ``source``. Raises WeightsError."""
    try:
        _refuse_load_hooks(source, content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's advice to whoever made the file
            script = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
        script.eval()
        kinds = {node.kind() for node in _nodes(script.inlined_graph)}
    except (RuntimeError, ValueError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{source} is no TorchScript archive that this version of torch can read.") from error
    odd = sorted(kind for kind in kinds if not kind.startswith(_NAMESPACES) or kind in _NEVER)
    if odd:
        raise WeightsError(f"{source} uses {', '.join(odd)}; only plain tensor operators can be explained and served.")
    return Network(source, Script(script))


def _refuse_load_hooks(source: str, content: bytes) -> None:
    archive = torch._C.PyTorchFileReader(io.BytesIO(content))  # the reader that torch.jit.load uses: it sees the same
    for name in archive.get_all_records():
        if name.endswith(".py") and b"__setstate__" in archive.get_record(name):
            raise WeightsError(
                f"{source} runs code of its own while it is loaded (__setstate__), as quantised networks do; "
                "export the network in float32, without such methods."
            )


def _nodes(graph: Any) -> Iterator[Any]:
    """Every node of a TorchScript graph, those within its blocks included."""
    for node in graph.nodes():
        yield node
        for block in node.blocks():
            yield from _nodes(block)
