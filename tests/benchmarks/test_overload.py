"""What the overload benchmark makes of calls whose times are known."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.arrivals import Sent
from benchmarks.calls import Outcome
from benchmarks.overload import holds
from benchmarks.overload_plot import draw_run
from benchmarks.overload_report import Memory, OverloadReport, Plan, judge
from benchmarks.reliability import fill, overload_table
from benchmarks.reporting import describe_machine

PLAN = Plan(capacity=10.0, calm=8.0, overload=20.0, calm_seconds=10.0, overload_seconds=20.0, recovery_seconds=20.0)


def served(moment: float, seconds: float) -> Sent:
    return Sent(Outcome(seconds - 0.01, batch=1), late=0.01, moment=moment)


def refused(moment: float, retry_after: float = 2.0) -> Sent:
    return Sent(Outcome(0.005, "429", retry_after), late=0.0, moment=moment)


def run(*, past: float = 1.5, told: float = 2.0, slow_until: float = 4.0) -> OverloadReport:
    calm = [served(m / 10, 1.0) for m in range(100)]
    overload = [served(10 + m / 10, past) if m % 2 else refused(10 + m / 10, told) for m in range(200)]
    after = [served(30 + m / 10, 3.0 if m / 10 < slow_until else 0.9) for m in range(200)]
    memory = [Memory(second, 100.0 + second / 10, 50.0, 30.0) for second in range(50)]
    return judge(PLAN, [*calm, *overload, *after], memory, 9.0)


def test_each_phase_counts_its_own_calls_and_the_served_are_measured_apart_from_the_refused() -> None:
    report = run()
    calm, overload, after = report.phases
    assert [p.requests for p in report.phases] == [100, 200, 200]
    assert (overload.served, overload.refused, overload.failures) == (100, 100, {})
    assert [calm.p99, overload.p99, overload.refusal_p99] == pytest.approx([1000.0, 1500.0, 5.0])
    assert report.ratio == pytest.approx(1.5)
    assert overload.retry_after == (2.0, 2.0)
    assert after.refused == 0
    assert overload.late_p99 == pytest.approx(10.0)


def test_normal_is_when_half_of_every_bin_is_as_quick_as_it_was_and_nobody_is_refused() -> None:
    assert run(slow_until=4.0).back_to_normal == pytest.approx(4.0)
    assert run(slow_until=0.0).back_to_normal == 0.0
    assert run(slow_until=20.0).back_to_normal == math.inf


def test_growth_is_from_the_overloads_first_fifth_to_its_last() -> None:
    growth = run().growth
    assert growth["worker"] == pytest.approx(102.8 / 101.15 - 1, abs=1e-3)
    assert growth["gateway"] == 0.0


def test_a_run_holds_only_where_everything_wanted_of_it_was_seen() -> None:
    assert holds(run())
    assert not holds(run(past=2.5))
    assert not holds(run(slow_until=14.0))
    assert not holds(run(told=0.0))
    assert "NOT all were told" in run(told=0.0).tell()
    broken = judge(
        PLAN, [served(1, 1.0), served(11, 1.0), Sent(Outcome(1.0, "500"), 0.0, 12), served(31, 0.5)], [], 9.0
    )
    assert broken.phases[1].failures == {"500": 1}
    assert not holds(broken)


def test_a_run_is_drawn_whatever_came_of_it() -> None:
    calls = [served(1, 1.0), refused(12), Sent(Outcome(1.0, "500"), 0.0, 12.0)]
    assert draw_run(run(), calls, "a machine").startswith(b"\x89PNG")


def test_what_was_measured_gets_into_its_place_on_the_page() -> None:
    page = "before\n<!-- from out/a.md -->\nold\n<!-- end -->\nbetween\n<!-- from out/b.md -->\n<!-- end -->\n"
    assert fill(page, Path("out/a.md"), "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match=r"one place for out/c\.md"):
        fill(page, Path("out/c.md"), "new")
    document = {**asdict(run()), "machine": asdict(describe_machine())}
    assert "1.50 times" in overload_table(document)
