"""The GPUs that torch can use."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Gpu:
    """A GPU as torch sees it."""

    name: str
    driver: str
    """Empty where the system does not tell it."""
    capability: str
    """Compute capability, for example 9.0."""
    free_bytes: int
    """Memory that nobody uses now."""
    total_bytes: int
    """All its memory."""


def usable_gpus() -> tuple[Gpu, ...]:
    """Every GPU that torch can use, in its order; none where CUDA does not start."""
    if not torch.cuda.is_available():
        return ()
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        major, minor = torch.cuda.get_device_capability(index)
        found.append(Gpu(torch.cuda.get_device_name(index), driver_version(), f"{major}.{minor}", free, total))
    return tuple(found)


def driver_version(file: Path = Path("/proc/driver/nvidia/version")) -> str:
    """NVIDIA's driver, as the kernel tells it; empty where it does not."""
    with suppress(OSError):
        if told := re.search(r"\s(\d{3}\.[0-9.]+)\s", file.read_text("utf-8", "replace")):
            return told.group(1)
    return ""
