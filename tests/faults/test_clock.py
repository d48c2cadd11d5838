"""The wall clock steps while callers ask: an hour ahead, then an hour behind.

libfaketime lies to one process about the time of day and not about the clock that only runs, as a real step does.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.asks import Ask
from tests.faults.load import Calm, Load, seconds_until_normal
from tests.faults.pod import Pod, callers_of
from tests.faults.report import Report

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

STEPS = ("+1h", "-1h", "+0")
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def hours_in(log: str) -> float:
    """Between the earliest and the latest time that a line of the log names."""
    times = [datetime.fromisoformat(json.loads(line)["time"]) for line in log.splitlines()]
    return (max(times) - min(times)).total_seconds() / 3600


@pytest.mark.skipif(LIBRARY is None, reason="stepping a process's clock takes libfaketime: apt-get install faketime")
@pytest.mark.parametrize("whose", ["gateway", "TorchServe and its worker"])
def test_a_clock_that_steps_an_hour_either_way_changes_nothing(
    whose: str, pod: Pod, store: Path, asks: tuple[Ask, ...], calm: Calm, report: Report, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    lies = (
        ("LD_PRELOAD", str(LIBRARY)),
        ("FAKETIME_TIMESTAMP_FILE", str(clock)),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    )
    with ExitStack() as exits:
        if whose == "gateway":
            gateway = exits.enter_context(pod.gateway(*lies))
            liars = [gateway.pid]
        else:
            own = exits.enter_context(Pod(store, lies))
            gateway = exits.enter_context(own.gateway())
            liars = [own.torchserve.pid, own.worker()]
        assert all("libfaketime" in Path(f"/proc/{pid}/maps").read_text() for pid in liars)
        with Load(callers_of(gateway), asks, calm) as load:
            for step in STEPS:
                load.wait_for_answers(4)
                clock.write_text(f"{step}\n")
                time.sleep(4.0)
            load.wait_for_answers(4)
        summary = load.summary()
        if whose == "gateway":
            assert hours_in(gateway.log(10_000)) > 1.9  # it did believe the lies
        normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
    report.add(f"clock of {whose} steps by an hour, ahead and behind", summary, normal_after=normal)
    summary.check(least_answered=16)
    assert summary.told == {}, summary
