"""Processes that die or hang while callers ask: the worker, TorchServe, the gateway."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from cxrshift.serving.store import StoreSettings, build_store
from tests.faults.asks import Ask, Verdict
from tests.faults.load import Calm, Load, seconds_until_normal, wait_until
from tests.faults.pod import Pod, callers_of
from tests.faults.report import Report

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def test_a_worker_killed_every_ten_seconds_costs_callers_nothing_but_time(
    pod: Pod, asks: tuple[Ask, ...], calm: Calm, report: Report
) -> None:
    kills = 8  # longer than TorchServe keeps starting a worker that never comes up
    with pod.gateway() as gateway:
        with Load(callers_of(gateway), asks, calm) as load:
            load.wait_for_answers(4)
            for _ in range(kills):
                pod.kill_worker()
                time.sleep(10.0)
            load.wait_for_answers(4)
        summary = load.summary()
        normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
    report.add(f"worker killed every 10 s, {kills} times", summary, normal_after=normal)
    summary.check(least_answered=8)


def test_torchserve_killed_and_started_again_is_found_again(
    pod: Pod, asks: tuple[Ask, ...], calm: Calm, report: Report
) -> None:
    with pod.gateway() as gateway:
        with Load(callers_of(gateway), asks, calm) as load:
            load.wait_for_answers(4)
            pod.kill()
            died = time.monotonic()
            wait_until(lambda: load.count(Verdict.TOLD) > 0, 30, "no caller was told to come back")
            assert httpx.get(f"{gateway.rest_url}/readyz", timeout=30).status_code == 503
            pod.start_again()
            away = time.monotonic() - died
            found = load.wait_for_answers(4)
        summary = load.summary()
        normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
    report.add("TorchServe killed, started again", summary, normal_after=normal, note=f"it was away for {away:.0f} s")
    summary.check(least_answered=8)
    assert found < 30


@pytest.mark.parametrize(("name", "how"), [("stopped", signal.SIGTERM), ("killed", signal.SIGKILL)])
def test_a_gateway_that_ends_beside_another_fails_no_request(
    pod: Pod, asks: tuple[Ask, ...], calm: Calm, report: Report, name: str, how: signal.Signals
) -> None:
    # While it says NOT_SERVING it still serves: a call that meets a closing door is CANCELLED by gRPC itself.
    delay = ("CXRSHIFT_DRAIN_DELAY", "2")
    with pod.gateway(delay) as first, pod.gateway(delay) as second:
        with Load(callers_of(first, second, each=4, failover=True), asks, calm) as load:
            load.wait_for_answers(8)
            os.kill(first.pid, how)
            load.wait_for_answers(16)
        summary = load.summary()
        normal = seconds_until_normal(callers_of(second, each=1), asks, calm, patience=60)
    report.add(f"one of two gateways {name} ({how.name})", summary, normal_after=normal)
    summary.check(least_answered=24)
    assert summary.told == {}, summary  # a caller that knows both is always answered


def test_a_worker_that_hangs_is_replaced_and_nobody_waits_past_the_deadline(
    asks: tuple[Ask, ...], calm: Calm, report: Report, model_folder: Path, tmp_path: Path
) -> None:
    silence = 12
    settings = StoreSettings(threads=1, response_timeout=silence)
    with ExitStack() as exits:
        pod = exits.enter_context(Pod(build_store((model_folder,), tmp_path / "store", settings=settings)))
        gateway = exits.enter_context(pod.gateway())
        with Load(callers_of(gateway), asks, calm, deadline=6.0) as load:
            load.wait_for_answers(4)
            hung = pod.worker()
            os.kill(hung, signal.SIGSTOP)
            began = time.monotonic()
            wait_until(lambda: load.count(Verdict.TOLD) >= 4, 60, "no caller was told")
            wait_until(lambda: hung not in pod.torchserve.worker_pids(), 120, "the hung worker stayed")
            replaced = time.monotonic() - began
            load.wait_for_answers(4)
        summary = load.summary()
        normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
    note = f"replaced after {replaced:.0f} s; it may be silent for {silence}"
    report.add("worker hangs (SIGSTOP)", summary, normal_after=normal, note=note)
    summary.check(least_answered=8)
