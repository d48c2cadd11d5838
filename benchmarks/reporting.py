"""What every benchmark tells beside its numbers: the machine, a table, a JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch


@dataclass(frozen=True)
class Machine:
    """Where a benchmark ran, in words."""

    processor: str
    cores: int
    instructions: str
    """The widest instructions that torch uses here."""
    accelerator: str
    python: str
    torch: str
    cxrshift: str


def describe_machine() -> Machine:
    """This machine."""
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    bf16 = ", bf16" if "avx512_bf16" in _cpu_fact("flags").split() else ""
    return Machine(
        processor=_cpu_fact("model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        instructions=torch.backends.cpu.get_cpu_capability() + bf16,
        accelerator=accelerator,
        python=platform.python_version(),
        torch=torch.__version__,
        cxrshift=version("cxrshift"),
    )


def _cpu_fact(name: str) -> str:
    """A line of Linux's own description of the processor; empty elsewhere."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text("utf-8").splitlines() if facts.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def say_machine(machine: Machine) -> str:
    """The machine in a line."""
    m = machine
    return (
        f"{m.processor}, {m.cores} cores ({m.instructions}), accelerator: {m.accelerator}; "
        f"Python {m.python}, torch {m.torch}, cxrshift {m.cxrshift}"
    )


def to_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in (headings, *rows))
    ]
    return "\n".join(line.rstrip() for line in lines)


def write_json(path: Path, machine: Machine, results: Mapping[str, object]) -> None:
    """The results with the machine that they were measured on. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": asdict(machine), **results}, indent=2) + "\n", "utf-8")
