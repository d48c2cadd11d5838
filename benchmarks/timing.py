"""Times on a machine that is never quite quiet: calls in turns, medians, and what a matrix product takes there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], object]

_DTYPES: Final = {"float32": torch.float32, "tfloat32": torch.float32}
_SIDE: Final = {"cpu": 2048, "cuda": 8192}
"""Of the matrices of the measured product: large enough that a device of that kind comes near its best."""


@dataclass(frozen=True)
class Line:
    """A least-squares line through points; ``r2`` is the share of their variance that it explains."""

    slope: float
    intercept: float
    r2: float


def fit_line(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """The line through at least two different ``xs``."""
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    slope, intercept = np.polyfit(x, y, 1)
    spread = float(((y - y.mean()) ** 2).sum())
    missed = float(((y - slope * x - intercept) ** 2).sum())
    return Line(float(slope), float(intercept), 1.0 - missed / spread if spread else 1.0)


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of pairs that were measured together: what slowed both alike cancels out."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def seconds_of(call: Call, device: str = "cpu") -> float:
    """One call's wall clock, until the device has done what it was given."""
    _wait(device)
    began = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - began


def in_turns(calls: Mapping[str, Call], repeats: int, device: str = "cpu") -> dict[str, list[float]]:
    """Seconds of each call, ``repeats`` times, one after the other and every other time in the reverse order.

    A slow minute of the machine then falls upon all of them. Call each once beforehand: the first call is another.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats):
        for name in list(calls)[:: -1 if repeat % 2 else 1]:
            seconds[name].append(seconds_of(calls[name], device))
    return seconds


def count_flops(call: Call) -> int:
    """Floating-point operations of one eager call, by torch's own count of its products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class Product:
    """A product of two square matrices in ``precision``: the measured limit of what the networks could reach."""

    precision: str
    device: str

    @property
    def flops(self) -> int:
        """Of one call."""
        return 2 * self._side**3

    @property
    def _side(self) -> int:
        return _SIDE[self.device.partition(":")[0]]

    def prepare(self) -> Call:
        """The call."""
        dtype = _DTYPES.get(self.precision) or getattr(torch, self.precision)
        left, right = (torch.rand(self._side, self._side, device=self.device).to(dtype) for _ in range(2))

        def multiply() -> None:
            with _float32_products(coarse=self.precision == "tfloat32"):
                torch.mm(left, right)

        return multiply


@contextmanager
def _float32_products(*, coarse: bool) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if coarse else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
