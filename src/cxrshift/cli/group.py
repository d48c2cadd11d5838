"""The command's root: its help's panels in order, and with ``--json`` usage errors as JSON too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from .console import Screen
from .exits import ExitCode, Trouble

EXPLAIN, SERVE, MODELS, MEASURE, HELP = "Explain", "Serve", "Models", "Measure", "When something is wrong"
PANELS = (EXPLAIN, SERVE, MODELS, MEASURE, HELP)
"""The panels of the help, in their order."""
_INTERRUPTED = 130


class Root(TyperGroup):
    """Ends as typer does, but tells a usage error as a problem where ``--json`` stands on the command line."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands' names, those of a panel together and the panels in their order."""
        panels = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        return sorted(panels, key=lambda name: PANELS.index(panels[name]) if panels[name] in PANELS else len(PANELS))

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        """Run the command line ``args``, by default the process's own, and exit."""
        given = list(sys.argv[1:] if args is None else args)
        if others or not extra.get("standalone_mode", True) or not asks_for_json(given):
            return super().main(args, *others, **extra)
        screen = Screen(as_json=True)
        try:
            code = super().main(args, **{**extra, "standalone_mode": False})
        except TyperException as error:
            screen.end(Trouble.USAGE, error.format_message(), error.exit_code)
            sys.exit(error.exit_code)
        except typer.Abort:
            screen.end(Trouble.INTERRUPTED, "Aborted.", ExitCode.SOME_FAILED)
            sys.exit(ExitCode.SOME_FAILED)
        if code == _INTERRUPTED:
            screen.end(Trouble.INTERRUPTED, "Stopped by Ctrl-C.", _INTERRUPTED)
        sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` is among the options."""
    return "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)
