"""The most memory that the engine takes at once, each time in a process of its own.

On a CPU that is the process's resident memory, all libraries included; on CUDA what torch took of the device's.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from cxrshift.core.engine import ROW_BUDGET, Engine
from cxrshift_api.types import Explanation

from .orders import explain, load, make_orders
from .selection import Pair, build

_MEBIBYTE = 1 << 20
_THRESHOLD = "MALLOC_MMAP_THRESHOLD_"
_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Job:
    """What one process does: ``orders`` in one call, after one order beforehand."""

    model: str
    pair: Pair
    device: str
    threads: int
    cache: Path
    orders: int
    frames: int | None = None
    row_budget: int = ROW_BUDGET


@dataclass(frozen=True)
class Peak:
    """MiB at the highest point of the call."""

    total: float
    result: float
    """Of that the explanations, which grow with what is asked for."""

    @property
    def working(self) -> float:
        """All but the result: libraries, networks and what is in flight."""
        return self.total - self.result


def measure_peak(job: Job, *, exact: bool = False) -> Peak | None:
    """The peak of one job; None where its runtime cannot run the model.

    ``exact`` leaves out what glibc's malloc keeps of freed memory in the gaps between arrays that are still in use:
    some MiB for each explanation in a call, though none of it is.
    """
    before = dict(os.environ)
    if exact:
        os.environ[_THRESHOLD] = "131072"  # glibc's own at first, which it then raises with what is freed
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_work, job).result()
    finally:
        if exact:
            os.environ.pop(_THRESHOLD)
            os.environ.update(before)


def _work(job: Job) -> Peak | None:
    torch.set_num_threads(job.threads)
    model = build(load(job.model, job.device), job.pair, cache=job.cache)
    if model is None:
        return None
    engine = Engine(model, row_budget=job.row_budget)
    orders = make_orders(model.spec, job.orders, frames=job.frames)
    explain(engine, orders[:1])
    _forget_peak(job.device)
    explanations = explain(engine, orders)
    result = 0 if job.device != "cpu" else size_of(explanations)  # on CUDA the result is not where the work was
    return Peak(_peak(job.device) / _MEBIBYTE, result / _MEBIBYTE)


def size_of(explanations: Sequence[Explanation]) -> int:
    """Bytes of their arrays; one that several share counts once."""
    values = (getattr(explanation, field.name) for explanation in explanations for field in fields(explanation))
    return sum({id(value): value.nbytes for value in values if isinstance(value, np.ndarray)}.values())


def _forget_peak(device: str) -> None:
    """Loading and compiling a model takes more than running it."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # only Linux can forget; elsewhere the peak is the whole process's
        _REFERENCES.write_text("5")


def _peak(device: str) -> int:
    if device != "cpu":
        return int(torch.cuda.max_memory_allocated())
    if _STATUS.is_file():  # of this program alone; getrusage's is also of the one that started it
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) << 10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10
