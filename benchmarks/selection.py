"""Which runtimes and precisions a benchmark measures, and on what."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from cxrshift.core.model import Model
from cxrshift.core.runtime import Shapes
from cxrshift.errors import ModelError
from cxrshift.runtime import RUNTIMES, available, with_runtime


@dataclass(frozen=True)
class Pair:
    """A runtime in a precision."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The options of every benchmark of the engine."""
    parser.add_argument("--runtime", action="append", choices=tuple(RUNTIMES), help="repeatable; default: all here")
    parser.add_argument("--precision", action="append", help="repeatable; default: all that run natively here")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--cache", type=Path, help="folder for what runtimes export; default: a temporary one")
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")


def select(given: argparse.Namespace) -> list[Pair]:
    """The pairs asked for, of those that this machine runs natively."""
    if given.threads:
        torch.set_num_threads(given.threads)
    pairs = [
        Pair(runtime, precision)
        for runtime, precision in available(given.device)
        if (not given.runtime or runtime in given.runtime) and (not given.precision or precision in given.precision)
    ]
    if not pairs:
        here = ", ".join(" ".join(pair) for pair in available(given.device))
        raise SystemExit(f"This machine runs none of that natively on {given.device}; it runs {here}.")
    return pairs


@contextmanager
def open_cache(given: argparse.Namespace) -> Iterator[Path]:
    """Where exports are kept, as asked for; the user's own cache is not filled with what was only measured."""
    if given.cache:
        yield given.cache
        return
    with tempfile.TemporaryDirectory(prefix="cxrshift-benchmark-") as folder:
        yield Path(folder)


def build(model: Model, pair: Pair, *, shapes: Shapes | None = None, cache: Path | None = None) -> Model | None:
    """The model in that runtime; None, with a word about why, where the runtime cannot run it."""
    try:
        return with_runtime(model, pair.runtime, precision=pair.precision, shapes=shapes, cache=cache)
    except ModelError as error:
        print(f"{pair}: left out: {error}", flush=True)
        return None
