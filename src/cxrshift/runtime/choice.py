"""Which runtimes there are, which of them this machine has, and which is fastest for a model."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Final

import torch

from ..core.model import Model
from ..core.passes import Passes
from ..core.runtime import Eager, Runtime, Shapes
from ..errors import ModelError
from .agreement import LIMITS, compare
from .exported import Opener, open_exports
from .exports import Exports, cache_folder, export_model, find_exports
from .sessions import open_onnxruntime, open_openvino, open_tensorrt, runs_bfloat16
from .torch_graph import trace_torch_graph

AUTO: Final = "auto"
RUNTIMES: Final = ("torch", "torch-graph", "onnxruntime", "tensorrt", "openvino")
_OPENERS: Final[Mapping[str, Opener]] = MappingProxyType(
    {"onnxruntime": open_onnxruntime, "tensorrt": open_tensorrt, "openvino": open_openvino}
)
_REPEATS: Final = 5

Pair = tuple[str, str]
"""A runtime and a precision."""


@dataclass(frozen=True)
class Speed:
    """How long one probed row takes at least, or ``why_not``, why it cannot be told."""

    runtime: str
    """Name of the runtime."""
    precision: str
    """Of the networks' products."""
    milliseconds: float | None
    """Milliseconds of one row in full calls; None where it cannot be told."""
    why_not: str = ""


def available(device: str) -> tuple[Pair, ...]:
    """The runtimes and precisions that this machine has instructions and libraries for, the plainest first."""
    if torch.device(device).type == "cpu":
        bf16 = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and torch.cpu._is_avx512_bf16_supported()
        pairs = [("torch", "float32"), ("torch-graph", "float32"), *([("torch-graph", "bfloat16")] if bf16 else [])]
        pairs += [("onnxruntime", "float32")] if _has("onnxruntime") and _has("onnxscript") else []
        if _has("openvino") and _has("onnxscript"):
            pairs += [("openvino", "float32"), *([("openvino", "bfloat16")] if runs_bfloat16() else [])]
        return tuple(pairs)
    pairs = [("torch", "float32"), *(("torch-graph", precision) for precision in LIMITS)]
    providers = _providers() if _has("onnxscript") else ()
    if "CUDAExecutionProvider" in providers:
        pairs += [("onnxruntime", "float32"), ("onnxruntime", "tfloat32")]
    if "TensorrtExecutionProvider" in providers:
        pairs += [("tensorrt", "float32"), ("tensorrt", "float16")]
    return tuple(pairs)


def with_runtime(
    model: Model, name: str, *, precision: str = "float32", shapes: Shapes | None = None, cache: Path | None = None
) -> Model:
    """``model``, run by the runtime ``name``.

    What has to be exported is kept in ``cache``, the user's own where None, for the next time. A runtime whose answers
    are not those of the networks, within what the precision allows, is refused. Raises ModelError: it says why.
    """
    shapes = shapes or Shapes.for_device(model.device)
    if (name, precision) not in available(model.device):
        known = ", ".join(f"{n} in {p}" for n, p in available(model.device))
        raise ModelError(f"This machine cannot run {name} in {precision} on {model.device}; it can run: {known}.")
    reference = replace(model, runtime=Eager(model.networks, shapes))
    if name == "torch":
        return reference
    if name == "torch-graph":
        return _checked(model, trace_torch_graph(model, precision, shapes), reference)
    folder = cache or cache_folder()

    def opened(exports: Exports) -> Model:
        count = len(model.spec.findings)
        return _checked(model, open_exports(name, _OPENERS[name], exports, model.device, precision, count), reference)

    kept = find_exports(model, shapes, folder)
    if kept is not None:
        with suppress(ModelError):  # it may be damaged, or of an older version's networks
            return opened(kept)
    return opened(export_model(model, shapes, folder))


def fastest(model: Model, precision: str = "float32", *, cache: Path | None = None) -> str:
    """The runtime that ``measure`` found fastest in ``precision`` on this machine; torch where nothing was measured."""
    try:
        kept = json.loads(_record(model, cache or cache_folder()).read_text("utf-8"))
    except (OSError, ValueError):
        kept = []
    times = {r: ms for r, p, ms in kept if p == precision and (r, p) in available(model.device)}
    return min(times, key=lambda runtime: times[runtime], default="torch")


def measure(
    model: Model,
    *,
    shapes: Shapes | None = None,
    cache: Path | None = None,
    told: Callable[[], None] = lambda: None,
) -> Sequence[Speed]:
    """Export ``model``, check and time every runtime that this machine has, and remember the times for ``fastest``.

    ``told`` is called after each of them. Raises OSError where the cache cannot be written.
    """
    cache = cache or cache_folder()
    speeds = []
    for runtime, precision in available(model.device):
        try:
            ready = with_runtime(model, runtime, precision=precision, shapes=shapes, cache=cache)
            speeds.append(Speed(runtime, precision, _time_row(ready)))
        except ModelError as error:
            speeds.append(Speed(runtime, precision, None, str(error)))
        told()
    record = _record(model, cache)
    record.parent.mkdir(parents=True, exist_ok=True)
    known = [(s.runtime, s.precision, s.milliseconds) for s in speeds if s.milliseconds is not None]
    record.write_text(json.dumps(known) + "\n", "utf-8")
    return speeds


def _checked(model: Model, runtime: Runtime, reference: Model) -> Model:
    ready = replace(model, runtime=runtime)
    difference, limit = compare(ready, reference), LIMITS[runtime.precision]
    if not difference.within(limit):
        raise ModelError(
            f"{runtime.name} in {runtime.precision} does not give the answers of {model.spec.name}'s networks: "
            f"{difference}, where at most {limit} is allowed. The runtime torch does."
        )
    return ready


def _time_row(model: Model) -> float:
    """Milliseconds of one row when calls are full: the least of a few, what else the machine does only adds."""
    passes = Passes(model)
    side, rows = model.spec.input_size, passes.shapes.probe
    latents = passes.encode(torch.zeros(1, 1, side, side))
    latents = latents.expand(rows, *latents.shape[1:]).contiguous()

    def seconds() -> float:
        began = perf_counter()
        float(passes.probe(latents)[1].sum())  # waits for a GPU
        return perf_counter() - began

    seconds()
    return 1e3 * min(seconds() for _ in range(_REPEATS)) / rows


def _record(model: Model, cache: Path) -> Path:
    """Where the times of ``model`` on this kind of machine are kept."""
    device = torch.device(model.device)
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    words = "".join(c if c.isalnum() else "-" for c in processor).strip("-").lower()
    return cache / "speeds" / f"{model.spec.name}-{model.fingerprint[:24]}-{words}.json"


def _processor() -> str:
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {capability} {os.cpu_count()}"


def _providers() -> Sequence[str]:
    if not _has("onnxruntime"):
        return ()
    import onnxruntime

    providers: Sequence[str] = onnxruntime.get_available_providers()
    return providers


def _has(package: str) -> bool:
    return find_spec(package) is not None
