"""Where lines go: results to standard output, everything else to standard error, a progress bar only to a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID


class Screen:
    """The two streams of a command.

    ``as_json`` makes every result one line of JSON on standard output, where nothing else then goes.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(highlight=False, soft_wrap=True, stderr=True)

    def say(self, line: Text | str) -> None:
        """A result for people; nothing where results are JSON."""
        if not self.as_json:
            self._out.print(line, markup=False)

    def show(self, drawn: RenderableType) -> None:
        """A result for people that is laid out for the terminal's width; nothing where results are JSON."""
        if not self.as_json:
            self._out.print(drawn, soft_wrap=False)

    @property
    def width(self) -> int:
        """Columns of the terminal that looks at the results; 0 = none does."""
        return self._out.width if self._out.is_terminal else 0

    def tell(self, result: Mapping[str, object]) -> None:
        """A result for programs, as one line; nothing where results are for people."""
        if self.as_json:
            self._out.print(json.dumps(result), markup=False)

    def note(self, line: str) -> None:
        """Something by the way, on standard error."""
        self._err.print(Text(line, "dim"))

    def fail(self, line: str) -> None:
        """An error, in red where there is colour."""
        # Beside a progress bar on the same terminal the line must go through the bar's own console.
        beside_bar = self._err.is_terminal and self._out.is_terminal and not self.as_json
        (self._out if beside_bar else self._err).print(Text(line, "red"))

    def end(self, code: str, line: str, exit_code: int) -> None:
        """The error that ends the command: a line for people, and for programs a problem with the exit code."""
        self.tell({"problem": {"code": code, "message": line, "exit_code": exit_code}})
        self.fail(line)

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Bar]:
        """A bar that is gone at the end; nothing where no terminal looks on, or results are JSON."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = self._out if self._out.is_terminal else self._err
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = self.as_json or not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
            yield Bar(progress, progress.add_task(what, total=total))

    @contextmanager
    def waiting(self, what: str) -> Iterator[Callable[[], None]]:
        """A turning sign on standard error until the function given is called; nothing where no terminal looks on."""
        status = self._err.status(what) if self._err.is_terminal and not self.as_json else None
        end: Callable[[], None] = status.stop if status else lambda: None
        if status:
            status.start()
        try:
            yield end
        finally:
            end()


class Bar:
    """A progress bar's handle."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def step(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)

    def name(self, what: str) -> None:
        """Say something else beside the bar."""
        self._progress.update(self._task, description=what)

    def set(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` are; None = nobody knows of how many."""
        self._progress.update(self._task, completed=done, total=total)
