"""Work spread over processes of one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from threadpoolctl import threadpool_limits

_T = TypeVar("_T")
_R = TypeVar("_R")

_limits: list[threadpool_limits] = []
"""Keeps each worker's limit alive: it ends with its object."""


def map_in_processes(call: Callable[[_T], _R], items: Sequence[_T], *, workers: int, chunk: int = 1) -> Iterator[_R]:
    """``call`` of every item, in order, by ``workers`` processes. ``call`` must be importable, results picklable.

    Each worker computes in one thread: as many threads as cores in each of as many processes would wait for each
    other most of the time (200 phantoms by two workers on two cores: 12.4 s instead of 3.1).
    """
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_use_one_thread) as pool:
        yield from pool.map(call, items, chunksize=chunk)


def _use_one_thread() -> None:
    _limits.append(threadpool_limits(1))
