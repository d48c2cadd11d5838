"""Signals that ask a training for an end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from .console import Screen
from .exits import Trouble


@contextmanager
def stops_heeded(screen: Screen) -> Iterator[Callable[[], bool]]:
    """Until the end, a first SIGINT or SIGTERM only asks the training for an end, which it makes with a checkpoint.

    The exit code is then 128 and the signal's number, as a shell expects.

    A second one ends the process at once; the checkpoint before stays whole.
    """
    from ..training.failures import Interrupted

    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[number])

    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: bool(asked)
    except Interrupted as stopped:
        screen.end(Trouble.INTERRUPTED, str(stopped), 128 + asked[0])
        raise typer.Exit(128 + asked[0]) from stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
