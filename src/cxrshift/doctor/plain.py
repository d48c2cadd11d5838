"""The report as plain lines, for where neither rich nor typer is installed; and the command without them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .checks import Report, State
from .examination import Plan, examine, subjects
from .service import OpenClient


def run_plain(arguments: Sequence[str], open_client: OpenClient) -> int:
    """``cxrshift doctor`` where the client alone is installed: the same options and exit codes."""
    parser = argparse.ArgumentParser("cxrshift doctor", description="Check this machine and say what to do.")
    parser.add_argument("--url", default="", metavar="URL")
    parser.add_argument("--bridge", type=Path, default=None, metavar="CONFIG")
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args(arguments)
    report = examine(subjects(Plan(open_client, chosen.url, chosen.bridge)))
    lines = [json.dumps(report.to_json())] if chosen.as_json else plain_lines(report)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return int(report.failed)


def plain_lines(report: Report) -> Iterator[str]:
    """A line for each check, the remedy beneath it, the sum at the end."""
    topic = ""
    for check in report.checks:
        if check.topic != topic:
            topic = check.topic
            yield f"{topic}:"
        yield f"  {check.state:4}  {check.name}: {check.found}"
        if check.remedy and check.state is not State.OK:
            yield f"        -> {check.remedy}"
    yield say_sum(report)


def say_sum(report: Report) -> str:
    """``14 ok, 1 to look at, 1 failed, 5 skipped``, and what failed."""
    counts = (
        f"{report.count(State.OK)} ok, {report.count(State.WARN)} to look at, "
        f"{report.count(State.FAIL)} failed, {report.count(State.SKIP)} skipped"
    )
    if report.failed:
        failed = (f"{check.topic}, {check.name}" for check in report.checks if check.state is State.FAIL)
        return f"{counts}. What cannot work: {'; '.join(failed)}."
    return f"{counts}. Everything that was asked for can work."
