"""Whether a GPU can be used; torch, which takes seconds to import, is asked only where there is a device."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .checks import Check, State
from .hardware import TOPIC, say_bytes

if TYPE_CHECKING:
    from ..runtime.devices import Gpu


@dataclass(frozen=True)
class TorchBuild:
    """What an installed torch says of itself, without being imported."""

    version: str
    cuda: str | None
    """The CUDA that it was built for; None = for CPUs alone."""


def check_graphics(
    *,
    devices: Callable[[], Sequence[str]] | None = None,
    build: Callable[[], TorchBuild | None] | None = None,
    ask_torch: Callable[[], Sequence[Gpu]] | None = None,
) -> Iterator[Check]:
    """What torch was built for, then each GPU that it can use, or why it can use none."""
    torch, nodes = (build or torch_build)(), (devices or gpu_devices)()
    yield _check_torch(torch)
    if not nodes:
        remedy = "If there is one: install its driver; start a container with --gpus all." if _is_cuda(torch) else ""
        yield Check(TOPIC, "GPU", State.SKIP, "no NVIDIA device is seen here; networks run on the CPU", remedy)
        return
    if torch is None:
        yield Check(TOPIC, "GPU", State.SKIP, f"{', '.join(nodes)}; torch, which would use it, is not installed")
        return
    if torch.cuda is None:
        remedy = "Install torch from the index for your CUDA; docs/deployment.md says how."
        yield Check(TOPIC, "GPU", State.WARN, f"{', '.join(nodes)}; this torch is built for CPUs alone", remedy)
        return
    gpus = (ask_torch or _ask_torch)()
    if not gpus:
        remedy = f"See whether nvidia-smi works and its driver is recent enough for CUDA {torch.cuda}."
        yield Check(TOPIC, "GPU", State.WARN, f"{', '.join(nodes)}; torch cannot use it", remedy)
    for position, gpu in enumerate(gpus):
        memory = f"{say_bytes(gpu.free_bytes)} free of {say_bytes(gpu.total_bytes)}"
        found = f"{gpu.name}, driver {gpu.driver or 'unknown'}, {memory}, compute capability {gpu.capability}"
        yield Check(TOPIC, f"GPU {position}", State.OK, found, "cxrshift serve --gpu uses it")


def torch_build(folder: Path | None = None) -> TorchBuild | None:
    """Of the torch in ``folder``, by default the installed one; None where there is none."""
    spec = find_spec("torch") if folder is None else None
    places = [folder] if folder else [Path(place) for place in (spec.submodule_search_locations if spec else ()) or ()]
    for place in places:
        with suppress(OSError, SyntaxError):
            values = _assigned((place / "version.py").read_text("utf-8"))
            return TorchBuild(str(values.get("__version__", "unknown")), _text(values.get("cuda")))
    return None


def gpu_devices(dev: Path = Path("/dev")) -> Sequence[str]:
    """NVIDIA's device files, ascending; WSL has another one."""
    return [str(path) for path in (*sorted(dev.glob("nvidia[0-9]*")), *sorted(dev.glob("dxg")))]


def _check_torch(torch: TorchBuild | None) -> Check:
    if torch is None:
        remedy = "pip install 'cxrshift[engine]'"
        return Check(TOPIC, "torch", State.SKIP, "not installed; --local and serving need it", remedy)
    return Check(TOPIC, "torch", State.OK, f"{torch.version}, for {f'CUDA {torch.cuda}' if torch.cuda else 'CPUs'}")


def _is_cuda(torch: TorchBuild | None) -> bool:
    return torch is not None and torch.cuda is not None


def _assigned(source: str) -> dict[str, object]:
    """The constants that a module assigns, without running it."""
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        value = getattr(node, "value", None)
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = value.value
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ask_torch() -> Sequence[Gpu]:
    from ..runtime.devices import usable_gpus

    return usable_gpus()
