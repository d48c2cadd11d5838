"""The end of a command's help: command lines that work as they stand, then notes and exit codes."""

from __future__ import annotations

from .exits import EXIT_CODES


def epilog(*lines: str, notes: str = "", exits: str = EXIT_CODES) -> str:
    """Rich markup with a line for each example, ready for typer's ``epilog``; nothing in it may hold markup itself."""
    title = "[bold]Examples[/bold]" if len(lines) > 1 else "[bold]Example[/bold]"
    examples = "\n".join([title, *(f"[dim]$[/dim] [cyan]{_plain(line)}[/cyan]" for line in lines)])
    return "\n\n".join(part for part in (examples, _plain(notes), f"[dim]{exits}[/dim]" if exits else "") if part)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
