"""The disk that gateway and TorchServe write to is full: logs, audit, sockets, temporary files."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from xml.etree.ElementTree import fromstring

import pytest

from tests.faults.asks import Ask
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.load import Calm, Load, seconds_until_normal, wait_until
from tests.faults.pod import Pod, callers_of
from tests.faults.report import Report

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """On which everything that is started here puts its files."""
    with small_disk() as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        monkeypatch.setenv("TMPDIR", str(disk.folder))
        yield disk


def test_a_full_disk_costs_log_lines_and_audit_records_and_no_answer(
    asks: tuple[Ask, ...], calm: Calm, report: Report, disk: SmallDisk, pod: Pod
) -> None:
    audit = disk.folder / "audit.xml"
    with Pod(pod.config.store) as own, own.gateway(("CXRSHIFT_AUDIT_FILE", str(audit))) as gateway:
        with Load(callers_of(gateway), asks, calm) as load:
            load.wait_for_answers(4)
            disk.fill()
            began, before = time.monotonic(), load.count()
            load.wait_for_answers(8)
            os.kill(own.worker(), signal.SIGKILL)  # its successor makes a socket and temporary files
            load.wait_for_answers(8)
            unheard = load.count() - before
            full_for = time.monotonic() - began
            disk.relieve()
            written = len(audit.read_bytes())
            load.wait_for_answers(4)
            wait_until(lambda: len(audit.read_bytes()) > written, 30, "the audit did not go on")
        summary = load.summary()
        normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
        records = [fromstring(line) for line in audit.read_bytes().splitlines()]  # each of them whole
    lost = summary.calls - len(records)
    note = f"full for {full_for:.0f} s, a worker killed meanwhile; {max(0, lost)} of {summary.calls} audit records lost"
    report.add("disk full", summary, normal_after=normal, note=note)
    summary.check(least_answered=24)
    assert summary.told == {}, summary
    assert unheard >= 16
