"""Puts what was measured into docs/reliability.md: ``python -m benchmarks.reliability``, after load and fault tests.

Each table stands between two comments of the page, of which the first names what it is made from. The plot of the
overload goes into docs/images.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from .reporting import Machine, say_machine

PAGE = Path("docs/reliability.md")
OVERLOAD = Path("out/load/overload.json")
FAULTS = Path("out/faults/report.md")
PLOT = Path("docs/images/overload.png")


def main() -> int:
    """0 when both tables were put in."""
    page = PAGE.read_text("utf-8")
    page = fill(page, OVERLOAD, overload_table(json.loads(OVERLOAD.read_text("utf-8"))))
    page = fill(page, FAULTS, FAULTS.read_text("utf-8").rstrip().replace("\n\n", "\n\nOn ") + ".")
    PAGE.write_text(page, "utf-8")
    shutil.copyfile(OVERLOAD.with_suffix(".png"), PLOT)
    print(f"written: {PAGE}, {PLOT}")
    return 0


def fill(page: str, source: Path, table: str) -> str:
    """The page with the table in the place of ``source``. Raises ValueError where it has no such place."""
    begin, end = f"<!-- from {source} -->", "<!-- end -->"
    filled, places = re.subn(
        f"({re.escape(begin)}\n).*?({re.escape(end)})", lambda m: f"{m[1]}{table}\n{m[2]}", page, flags=re.DOTALL
    )
    if places != 1:
        raise ValueError(f"the page must have one place for {source}: {begin} ... {end}")
    return filled


def overload_table(run: dict[str, Any]) -> str:
    """The phases of an overload run as benchmarks.overload wrote it, and what is wanted of it."""
    columns = ("arrivals", "a second", "requests", "served", "refused", "failed")
    times = ("p50 of the served, ms", "p99", "refusal, p99, ms")
    lines = [f"| {' | '.join((*columns, *times))} |", "|---" * 9 + "|"]
    for p in run["phases"]:
        failed = sum(p["failures"].values())
        waits = f"{p['refusal_p99']:.0f}" if p["refused"] else ""
        lines.append(
            f"| {p['name']} | {p['rate']:.1f} | {p['requests']} | {p['served']} | {p['refused'] / p['requests']:.1%} "
            f"| {failed} | {p['p50']:.0f} | {p['p99']:.0f} | {waits} |"
        )
    past, plan = run["phases"][1], run["plan"]
    growth = ", ".join(f"{name} {share:+.1%}" for name, share in run["growth"].items())
    told = " to ".join(f"{seconds:.0f}" for seconds in past["retry_after"])
    lines += [
        "",
        f"Capacity {plan['capacity']:.1f} a second, {run['capacity_after']:.1f} at the end; past it for "
        f"{plan['overload_seconds']:.0f} s. Wanted: p99 at most twice that of the calm phase; it was "
        f"{run['ratio']:.2f} times. Back to normal after "
        f"{run['back_to_normal']:.0f} s (wanted: 10). Memory over the overload: {growth}. The refused were told to "
        f"come back in {told} s. The load generator sent {past['late_p99']:.0f} ms late in 1 of 100 cases. "
        f"On {say_machine(Machine(**run['machine']))}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
