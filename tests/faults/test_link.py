"""A bad link between gateway and TorchServe, two machines in a cluster: slow, standing still, cut, lossy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.asks import Ask
from tests.faults.link import Link, Weather
from tests.faults.load import Calm, Load, Summary, seconds_until_normal
from tests.faults.pod import Pod, callers_of
from tests.faults.report import Report

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]


def test_a_slow_link_that_stands_still_and_is_cut_costs_time_and_no_answer(
    pod: Pod, asks: tuple[Ask, ...], calm: Calm, report: Report
) -> None:
    weathers = (
        ("50 ms each way and 2 MB/s", Weather(delay=0.05, bytes_per_second=2e6), 10.0),
        ("stands still for 6 s", Weather(stands_still=True), 6.0),
        ("is cut for 4 s", Weather(cut=True), 4.0),
    )
    with Link(pod.target) as link, pod.gateway(upstream=link.target) as gateway:
        for name, weather, seconds in weathers:
            with Load(callers_of(gateway), asks, calm) as load:
                load.wait_for_answers(4)
                link.become(weather)
                time.sleep(seconds)
                link.become(Weather())
                load.wait_for_answers(4)
            summary = load.summary()
            normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
            report.add(f"link to TorchServe {name}", summary, normal_after=normal)
            summary.check(least_answered=8)


def can_lose_packets() -> bool:
    """Whether this process may make a network of its own, and has nft to lose packets in it."""
    tools = shutil.which("unshare") and shutil.which("nft") and shutil.which("ip")
    return bool(tools) and subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_lose_packets(), reason="losing packets takes root, unshare, nftables and iproute2")
def test_lost_packets_and_a_connection_that_died_unnoticed_cost_time_and_no_answer(
    store: Path, report: Report, tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    command = ["unshare", "-n", sys.executable, "-m", "tests.faults.lossy", str(store), str(told)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=840, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-3000:]
    for line in json.loads(told.read_text()):
        summary = Summary(**line["summary"])
        report.add(line["fault"], summary, normal_after=line["normal_after"], note=line["note"])
        summary.check(least_answered=4)
