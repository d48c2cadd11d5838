"""Which of the formats a file is in, told by its content."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

from ..errors import WeightsError
from .imported_network import Network
from .imported_onnx import read_onnx
from .imported_pt2 import is_pt2, read_pt2
from .imported_script import is_script, read_script

SUFFIXES: Final = (".pt2", ".pt", ".ts", ".onnx")
"""Of files that hold a network of their own; which format it is, the content tells."""


def read_network(source: str, content: bytes) -> Network:
    """The network that the file named ``source`` holds: ``torch.export``, TorchScript or ONNX.

    Raises WeightsError for anything else, above all for pickles, and for what such a file must not hold.
    """
    if Path(source).suffix not in SUFFIXES:
        raise WeightsError(f"{source} must be a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file.")
    names = _members(content)
    if names is None:
        if not source.endswith(".onnx"):
            raise WeightsError(f"{source} is neither a torch.export nor a TorchScript archive. {_ADVICE}")
        return read_onnx(source, content)
    if is_pt2(names):
        return read_pt2(source, content)
    if is_script(names):
        return read_script(source, content)
    raise WeightsError(f"{source} holds weights or a pickled module, not a network that can be loaded. {_ADVICE}")


_ADVICE: Final = "Export the network with torch.export.save or torch.onnx.export."


def _members(content: bytes) -> list[str] | None:
    """Names of a zip's members; None where the content is no zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        return None
