"""A model's passes as ONNX files, made once and kept by what they were made from."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, fx

from ..core.model import Model
from ..core.runtime import Shapes
from ..errors import MethodError, ModelError
from .backward import differentiate
from .graphs import repeat, trace_passes

PASSES: Final = ("encode", "score", "probe", "gradient")
_LAYOUT: Final = 1
_UNEXPORTABLE: Final = (RuntimeError, NotImplementedError, TypeError, ValueError, torch.onnx.errors.OnnxExporterError)
"""What tracing and exporting raise over a network that does what no graph can hold."""


@dataclass(frozen=True)
class Exports:
    """The ONNX file of each pass."""

    folder: Path
    shapes: Shapes

    def path(self, name: str) -> Path:
        """The file of one of PASSES."""
        return self.folder / f"{name}.onnx"


def cache_folder() -> Path:
    """Where exports are kept: CXRSHIFT_EXPORT_CACHE, or cxrshift/exports in the user's cache."""
    own = os.environ.get("CXRSHIFT_EXPORT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "cxrshift/exports"


def find_exports(model: Model, shapes: Shapes, cache: Path) -> Exports | None:
    """The exports of ``model`` at these shapes, where there are any."""
    folder = cache / _key(model, shapes)
    return Exports(folder, shapes) if model.fingerprint and folder.is_dir() else None


def export_model(model: Model, shapes: Shapes, cache: Path) -> Exports:
    """Export all four passes into ``cache``; what is there already under the same key is replaced.

    Raises MethodError where the networks cannot be exported, ModelError where the cache cannot be written.
    """
    files, folder = _onnx_files(model, shapes), cache / _key(model, shapes)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as making:
            new = Path(making) / "new"
            new.mkdir()
            for name, content in files.items():
                (new / f"{name}.onnx").write_bytes(content)
            if folder.exists():
                folder.rename(Path(making) / "old")
            try:
                new.rename(folder)  # at once: a reader never sees half of them
            except OSError:
                if not folder.is_dir():  # where it is there, another worker was quicker
                    raise
    except OSError as error:
        raise ModelError(
            f"Exports cannot be kept in {cache}: {error.strerror}. Name another folder in CXRSHIFT_EXPORT_CACHE."
        ) from error
    return Exports(folder, shapes)


def _key(model: Model, shapes: Shapes) -> str:
    made_of = [_LAYOUT, model.fingerprint, sorted(asdict(shapes).items()), torch.__version__]
    return f"{model.spec.name}-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:24]}"


def _onnx_files(model: Model, shapes: Shapes) -> Mapping[str, bytes]:
    try:
        graphs = trace_passes(model.networks, shapes, model.spec.input_size, model.device)
        gradient, examples = differentiate(graphs, len(model.spec.findings))
        images = (repeat(graphs.images, shapes.encode),)
        return MappingProxyType(
            {
                "encode": _to_onnx(graphs.encode, images),
                "score": _to_onnx(graphs.score, images),
                "probe": _to_onnx(graphs.probe, (repeat(graphs.latents, shapes.probe),)),
                "gradient": _to_onnx(gradient, examples),
            }
        )
    except _UNEXPORTABLE as error:
        raise MethodError(
            f"{model.spec.name} cannot be exported ({type(error).__name__}). The runtime torch runs it."
        ) from error


def _to_onnx(graph: fx.GraphModule, examples: tuple[Tensor, ...]) -> bytes:
    """A graph as the content of an ONNX file. The runtimes simplify it themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own parts are deprecated by one another
        program = torch.onnx.export(graph, examples, dynamo=True, verbose=False, optimize=False)
    if program is None:
        raise RuntimeError("the exporter gave no program")
    content: bytes = program.model_proto.SerializeToString()
    return content
