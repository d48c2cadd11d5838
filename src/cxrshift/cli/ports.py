"""Whether ports are free, asked before minutes go into starting what would listen on them."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from .console import Screen
from .exits import ExitCode, Trouble


def require_ports(screen: Screen, wanted: Iterable[tuple[str, str, int]]) -> None:
    """End the command where one of the ports, (name, host, number), cannot be listened on; 0 always can.

    The option that chooses another is --NAME-port.
    """
    from ..doctor.checks import State
    from ..doctor.ports import Port, check_port

    for name, host, number in wanted:
        if number == 0:
            continue
        port = Port(name, host, number, f"--{name.lower()}-port N")
        check = check_port(port, lambda port: "")
        if check.state is State.FAIL or not check.found.startswith("free"):
            line = f"Port {number} for {name}: {check.found}. {check.remedy or f'Take another: {port.option}'}"
            screen.end(Trouble.NOT_STARTED, line, ExitCode.SOME_FAILED)
            raise typer.Exit(ExitCode.SOME_FAILED)
