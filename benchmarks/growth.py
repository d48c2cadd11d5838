"""How the time of an explanation grows with its frames, and that of a radiograph with its findings."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxrshift.core.engine import Engine, Order
from cxrshift.core.options import MAX_FRAMES

from .orders import explain, make_orders
from .timing import Line, fit_line, in_turns

FRAMES = (3, 11, 21, 31, 41)
_MOST_FINDINGS = 16
_TO_MS = 1e3


@dataclass(frozen=True)
class Growth:
    """Milliseconds, each the median of several, for each count of something; and the line through them."""

    of: str
    counts: tuple[int, ...]
    milliseconds: tuple[float, ...]
    line: Line


def grow_frames(engine: Engine, width: int, repeats: int) -> Growth:
    """Time of one explanation over a fixed range by its number of frames; ``width`` rows are in a call of the probe.

    As many orders are explained at once as make every number of rows a multiple of the width: rows that only pad a
    call would cost without being counted. λ = 0 takes no row.
    """
    together = max(1, width // 2)
    orders = {frames: make_orders(engine.spec, together, frames=frames) for frames in FRAMES}
    return _grow("frames", engine, orders, repeats, together)


def grow_findings(engine: Engine, width: int, repeats: int) -> Growth:
    """Time of one radiograph by the number of findings that are explained of it, each with full calls of the probe."""
    most = min(_MOST_FINDINGS, sum(finding.trained for finding in engine.spec.findings))
    frames = min(MAX_FRAMES, 1 + width * -(-10 // width))
    counts = range(1, most + 1) if most <= 6 else sorted({1, 2, 4, 8, most * 3 // 4, most})
    orders = {count: make_orders(engine.spec, 1, findings=count, frames=frames) for count in counts}
    return _grow("findings", engine, orders, repeats, 1)


def _grow(of: str, engine: Engine, orders: Mapping[int, Sequence[Order]], repeats: int, together: int) -> Growth:
    explain(engine, orders[min(orders)])
    calls = {str(count): lambda some=some: explain(engine, some) for count, some in orders.items()}
    seconds = in_turns(calls, repeats, engine.model.device)
    medians = tuple(_TO_MS * statistics.median(taken) / together for taken in seconds.values())
    counts = tuple(orders)
    return Growth(of, counts, medians, fit_line(counts, medians))
