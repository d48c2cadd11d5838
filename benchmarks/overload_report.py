"""What a run past the limit says: who was served and how soon, who was refused and how soon, and what stayed behind."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .arrivals import Sent
from .calls import quantile
from .reporting import to_table

REFUSED = ("429", "RESOURCE_EXHAUSTED")
ALLOWED_RATIO = 2.0
"""The 99th percentile of those served past the limit, against that at the calm rate."""
ALLOWED_RECOVERY = 10.0
"""Seconds."""
_BIN = 2.0
"""Seconds over which a moment of the recovery is judged."""


@dataclass(frozen=True)
class Phase:
    """One rate of arrivals, kept up for a while. Times are milliseconds from the intended sending."""

    name: str
    rate: float
    requests: int
    served: int
    refused: int
    p50: float
    p90: float
    p99: float
    """Of those served."""
    refusal_p50: float
    refusal_p99: float
    """Of those refused: until they knew."""
    retry_after: tuple[float, float]
    """The least and the most seconds after which the refused were told to come back; 0 = one was not told."""
    failures: dict[str, int]
    """What else a call ended with: neither served nor refused."""
    late_p99: float
    """How late the load generator itself sent, at most, in 99 of 100 cases."""


@dataclass(frozen=True)
class Memory:
    """Resident memory in MiB at a second of the run."""

    second: float
    worker: float
    gateway: float
    front_end: float


@dataclass(frozen=True)
class Plan:
    """Rates of arrivals and for how many seconds each is kept up: calm, overload, calm again."""

    capacity: float
    """Answers a second to callers who always wait."""
    calm: float
    overload: float
    calm_seconds: float
    overload_seconds: float
    recovery_seconds: float

    @property
    def overload_ends(self) -> float:
        """Second of the run."""
        return self.calm_seconds + self.overload_seconds


@dataclass(frozen=True)
class OverloadReport:
    """The whole run."""

    plan: Plan
    phases: tuple[Phase, Phase, Phase]
    ratio: float
    """p99 of those served past the limit over that of the calm phase."""
    back_to_normal: float
    """Seconds after the overload from which all was as in the calm phase; infinite where it never was."""
    growth: dict[str, float]
    """Of each process's memory from the first to the last fifth of the overload, as a share."""
    memory: tuple[Memory, ...]
    capacity_after: float
    """The same at the end: where it is not what it was, the machine was not either."""

    def tell(self) -> str:
        """A table of the phases, and each wish with what came of it."""
        headings = (
            *("from the intended sending", "per s", "requests", "served", "refused", "failed"),
            *("p50 ms", "p90 ms", "p99 ms", "refusal p50", "p99 ms", "sent late, p99 ms"),
        )
        rows = [
            (
                *(p.name, f"{p.rate:.1f}", str(p.requests), str(p.served), f"{p.refused / p.requests:.1%}"),
                *(str(sum(p.failures.values())), f"{p.p50:.0f}", f"{p.p90:.0f}", f"{p.p99:.0f}"),
                *(f"{p.refusal_p50:.0f}", f"{p.refusal_p99:.0f}", f"{p.late_p99:.0f}"),
            )
            for p in self.phases
        ]
        overload = self.phases[1]
        failures = Counter[str]()
        for phase in self.phases:
            failures.update(phase.failures)
        told = "all were told when to come back" if overload.retry_after[0] else "NOT all were told when to come back"
        grown = ", ".join(f"{name} {share:+.1%}" for name, share in self.growth.items())
        wishes = [
            f"p99 of the served: {self.ratio:.2f} times that of the calm phase (wanted: {ALLOWED_RATIO:.0f} at most)",
            f"neither served nor refused: {dict(failures) or 'none'} (wanted: none)",
            f"refused: {told}, in {overload.retry_after[0]:.0f} to {overload.retry_after[1]:.0f} s",
            f"back to normal after {self.back_to_normal:.0f} s (wanted: within {ALLOWED_RECOVERY:.0f})",
            f"memory over the overload: {grown} (wanted: flat)",
        ]
        return "\n".join(
            [
                f"capacity: {self.plan.capacity:.1f} a second, {self.capacity_after:.1f} at the end",
                "",
                to_table(headings, rows),
                "",
                *wishes,
            ]
        )


def judge(plan: Plan, sent: Sequence[Sent], memory: Sequence[Memory], capacity_after: float) -> OverloadReport:
    """What the calls of a run that went as planned, and the memory meanwhile, say."""
    calm = [s for s in sent if s.moment < plan.calm_seconds]
    overload = [s for s in sent if plan.calm_seconds <= s.moment < plan.overload_ends]
    after = [s for s in sent if s.moment >= plan.overload_ends]
    share = plan.calm / plan.capacity
    phases = (
        to_phase(f"calm, {share:.0%} of capacity", plan.calm, calm),
        to_phase(f"past the limit, {plan.overload / plan.capacity:.0%}", plan.overload, overload),
        to_phase(f"afterwards, {share:.0%}", plan.calm, after),
    )
    return OverloadReport(
        plan,
        phases,
        ratio=phases[1].p99 / phases[0].p99,
        back_to_normal=_back_to_normal(after, plan.overload_ends, phases[0].p90),
        growth=_growth(plan, memory),
        memory=tuple(memory),
        capacity_after=capacity_after,
    )


def to_phase(name: str, rate: float, sent: Sequence[Sent]) -> Phase:
    """What one phase's calls say."""
    served = [1e3 * s.seconds for s in sent if not s.outcome.error]
    refused = [s for s in sent if s.outcome.error in REFUSED]
    waits = [1e3 * s.seconds for s in refused]
    advice = [s.outcome.retry_after for s in refused] or [0.0]
    return Phase(
        name,
        rate,
        requests=len(sent),
        served=len(served),
        refused=len(refused),
        p50=quantile(served, 0.5),
        p90=quantile(served, 0.9),
        p99=quantile(served, 0.99),
        refusal_p50=quantile(waits, 0.5),
        refusal_p99=quantile(waits, 0.99),
        retry_after=(min(advice), max(advice)),
        failures=dict(Counter(s.outcome.error for s in sent if s.outcome.error and s.outcome.error not in REFUSED)),
        late_p99=1e3 * quantile([s.late for s in sent], 0.99),
    )


def _back_to_normal(after: Sequence[Sent], ended: float, calm_p90: float) -> float:
    """Seconds from the overload's end to the first bin from which every one is normal.

    A bin is normal where half of its calls took no longer than 9 of 10 did in the calm phase, and none was refused.
    """
    bins: dict[int, list[Sent]] = {}
    for one in after:
        bins.setdefault(int((one.moment - ended) / _BIN), []).append(one)
    strange = [number for number, some in bins.items() if not _is_normal(some, calm_p90)]
    last = max(bins, default=-1)
    if last in strange or not bins:
        return float("inf")
    return _BIN * (1 + max(strange, default=-1))


def _is_normal(some: Sequence[Sent], calm_p90: float) -> bool:
    return not any(s.outcome.error for s in some) and 1e3 * statistics.median(s.seconds for s in some) <= calm_p90


def _growth(plan: Plan, memory: Sequence[Memory]) -> dict[str, float]:
    fifth = plan.overload_seconds / 5
    first = [m for m in memory if 0 <= m.second - plan.calm_seconds < fifth]
    last = [m for m in memory if 0 <= plan.overload_ends - m.second < fifth]
    parts: dict[str, Callable[[Memory], float]] = {
        "worker": lambda m: m.worker,
        "gateway": lambda m: m.gateway,
        "front end": lambda m: m.front_end,
    }
    return {
        name: statistics.median(map(part, last)) / statistics.median(map(part, first)) - 1.0
        for name, part in parts.items()
        if first and last
    }
