"""Processor, memory and the limits of a container."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .checks import Check, State

TOPIC = "Machine"
LEAST_MEMORY = 2 << 30
"""Bytes: one worker with a small model takes about 1 GiB, the front end and the gateway 0.5 GiB each."""
_TELLING = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
"""Instruction sets that the networks' products gain from, as Linux names them."""


@dataclass(frozen=True)
class Sources:
    """Where the system tells of itself."""

    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")


def check_hardware(sources: Sources | None = None) -> Iterator[Check]:
    """The processor, and the memory that may be used."""
    sources = sources or Sources()
    yield _check_processor(sources)
    yield _check_memory(sources)


def usable_cores(sources: Sources) -> tuple[float, int]:
    """How many cores this process may use, and how many the machine has."""
    total = os.cpu_count() or 1
    own = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(total)
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (sources.cgroup / "cpu.max").read_text("ascii").split()
        own = min(own, int(quota) / int(period)) if quota != "max" else own
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota_v1 = int((sources.cgroup / "cpu/cpu.cfs_quota_us").read_text("ascii"))
        period_v1 = int((sources.cgroup / "cpu/cpu.cfs_period_us").read_text("ascii"))
        own = min(own, quota_v1 / period_v1) if quota_v1 > 0 else own
    return own, total


def memory(sources: Sources) -> tuple[int, int, int | None]:
    """Bytes available now, bytes of the machine, and the container's limit."""
    told: dict[str, int] = {}
    with suppress(OSError):
        for line in (sources.proc / "meminfo").read_text("ascii").splitlines():
            name, _, amount = line.partition(":")
            told[name] = int(amount.split()[0]) << 10
    limit, used = None, 0
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            limit = int((sources.cgroup / limit_file).read_text("ascii"))  # "max" is no number: there is none
            used = int((sources.cgroup / used_file).read_text("ascii"))
            break
    total = told.get("MemTotal", 0)
    limit = limit if limit is not None and limit < total else None
    available = told.get("MemAvailable", 0)
    return (available if limit is None else min(available, max(limit - used, 0))), total, limit


def _check_processor(sources: Sources) -> Check:
    own, total = usable_cores(sources)
    flags = _flags(sources)
    sets = [name for name in _TELLING if name in flags]
    cores = f"{own:g} of {total} cores" if own < total else f"{total} core{'s' * (total != 1)}"
    found = f"{platform.machine()}, {cores}" + (f", {', '.join(sets)}" if sets else "")
    if flags and platform.machine() in ("x86_64", "AMD64") and "avx2" not in flags:
        remedy = "Choose a machine, or a virtual machine's processor type, that has AVX2."
        return Check(TOPIC, "processor", State.WARN, f"{found}; without AVX2 networks are several times slower", remedy)
    if own < 1:
        return Check(TOPIC, "processor", State.WARN, found, "Give the container at least 1 core; 2 are better.")
    return Check(TOPIC, "processor", State.OK, found)


def _check_memory(sources: Sources) -> Check:
    available, total, limit = memory(sources)
    if not total:
        return Check(TOPIC, "memory", State.SKIP, "this system does not tell it in /proc")
    within = f", the container's limit is {say_bytes(limit)}" if limit is not None else ""
    found = f"{say_bytes(available)} available of {say_bytes(total)}{within}"
    if available < LEAST_MEMORY:
        remedy = f"Serving takes about {say_bytes(LEAST_MEMORY)}: end something, raise the limit, or use --workers 1."
        return Check(TOPIC, "memory", State.WARN, found, remedy)
    return Check(TOPIC, "memory", State.OK, found)


def _flags(sources: Sources) -> frozenset[str]:
    """Of the first core; empty where the system does not tell them."""
    with suppress(OSError):
        for line in (sources.proc / "cpuinfo").read_text("utf-8", "replace").splitlines():
            name, _, words = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(words.split())
    return frozenset()


def say_bytes(count: float) -> str:
    """``count`` bytes in words: ``3.2 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit in ("bytes", "KiB", "MiB") else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
