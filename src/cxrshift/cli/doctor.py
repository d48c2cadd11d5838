"""``cxrshift doctor``: what of this machine works, what does not, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .console import Screen
from .examples import epilog
from .exits import ExitCode, errors_told
from .options import AsJsonDocument

if TYPE_CHECKING:
    from ..doctor import Check, Report

EPILOG = epilog(
    "cxrshift doctor",
    "cxrshift doctor --url http://127.0.0.1:8000",
    "cxrshift doctor --json",
    exits="Exit codes: 0 nothing fails, 1 something fails, 2 wrong option.",
)
_MARKS = {"ok": ("ok", "green"), "warn": ("look", "yellow"), "fail": ("FAIL", "bold red"), "skip": ("-", "dim")}
"""What stands before a check, and its style. Words, not signs: a screen reader reads them, and no font lacks them."""
_LEAST_WIDTH = 60


def doctor(
    url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="A service to ask as well: grpc://HOST:8001, grpcs://, http://HOST:8000 or https://.",
            show_default="$CXRSHIFT_SERVER, else the one that may run here",
        ),
    ] = "",
    bridge: Annotated[
        Path | None,
        typer.Option(
            metavar="CONFIG", help="Look at this PACS bridge's TOML file, ports and spool too.", show_default=False
        ),
    ] = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Check Python, Java, ports, GPU, models, disk and settings, and say what to do about what is wrong.

    Nothing is changed, nothing leaves this machine but questions to the service, and no secret is shown.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..doctor import Plan, examine, subjects
        from ..doctor.plain import plain_lines
        from .askers import open_client_briefly

        parts = subjects(Plan(open_client_briefly, url, bridge))
        with screen.progress("looking", len(parts)) as bar:

            def told(topic: str, done: int, total: int) -> None:
                bar.name(f"looking at {topic.lower()}")
                bar.set(done, total)

            report = examine(parts, told)
        screen.tell(report.to_json())
        if screen.width >= _LEAST_WIDTH:
            screen.show(draw_report(report))
        else:  # into a file or a pipe, or too narrow for columns
            for line in plain_lines(report):
                screen.say(line)
    raise typer.Exit(ExitCode.SOME_FAILED if report.failed else ExitCode.DONE)


def draw_report(report: Report) -> Group:
    """The report as it stands on a terminal: a table for each topic, the sum beneath."""
    from ..doctor.plain import say_sum

    topics = dict.fromkeys(check.topic for check in report.checks)
    width = max((len(check.name) for check in report.checks), default=0)
    tables = [_draw_topic(topic, [c for c in report.checks if c.topic == topic], width) for topic in topics]
    return Group(*tables, Padding(Text(say_sum(report), "bold red" if report.failed else "bold green"), (1, 0, 0, 0)))


def _draw_topic(topic: str, checks: list[Check], width: int) -> Group:
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(width=6, justify="right", no_wrap=True)
    table.add_column(width=min(width, 24), overflow="fold")
    table.add_column(overflow="fold")
    for check in checks:
        word, style = _MARKS[check.state]
        found = Text(check.found, "dim" if check.state == "skip" else "")
        if check.remedy and check.state != "ok":
            found.append(f"\n→ {check.remedy}", "cyan" if check.state != "skip" else "dim cyan")
        table.add_row(Text(word, style), Text(check.name, "dim" if check.state == "skip" else ""), found)
    return Group(Text(f"\n{topic}", "bold"), table)
