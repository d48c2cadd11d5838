"""Whether the warnings of quality cards are right: seldom on radiographs of the kind a model knows, else nearly always.

An explanation with any warning counts, and so does a radiograph of which one finding of several is warned of. An image
that the model refuses to explain is told of too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from cxrshift_api.types import ExplainOptions, Float32Array, Problem

from ..core.engine import Engine, Order
from ..image.radiograph import Radiograph

AT_ONCE = 4
"""Radiographs explained together, which alters none of them: their searches fill each other's calls."""


@dataclass(frozen=True)
class WarnedShare:
    """How many images had a warning, or no explanation at all."""

    total: int
    """Number of images."""
    warned: int
    """Number of them with a warning or without an explanation."""
    refused: int
    """Number of them without an explanation."""

    @property
    def share(self) -> float:
        """Of the images that were told of, in [0, 1]; NaN where there is none."""
        return self.warned / self.total if self.total else float("nan")


def count_warned(engine: Engine, radiographs: Iterable[Radiograph]) -> WarnedShare:
    """Explain each radiograph as by default, no finding named, and count those with a warning."""
    total = warned = refused = 0
    waiting = iter(radiographs)
    while orders := [Order(radiograph, ExplainOptions()) for radiograph in islice(waiting, AT_ONCE)]:
        for outcome in engine.explain(orders).outcomes:
            total += 1
            if isinstance(outcome, Problem):
                refused += 1
            elif any(explanation.quality.warnings for explanation in outcome):
                warned += 1
    return WarnedShare(total, warned + refused, refused)


def draw_noises(count: int, *, seed: int = 0, side: int = 256) -> Iterator[Radiograph]:
    """Images of no radiograph: Gaussian, uniform, coarse blots, Brownian, one grey, a ramp, stripes, in turn."""
    random = np.random.default_rng(seed)
    for i in range(count):
        yield Radiograph(np.clip(_NOISES[i % len(_NOISES)](random, side), 0.0, 1.0).astype(np.float32))


def _gaussian(random: np.random.Generator, side: int) -> Float32Array:
    return random.normal(0.5, random.uniform(0.05, 0.35), (side, side)).astype(np.float32)


def _uniform(random: np.random.Generator, side: int) -> Float32Array:
    return random.random((side, side), dtype=np.float32)


def _blots(random: np.random.Generator, side: int) -> Float32Array:
    """Cells of 2 to 64 pixels of one grey each."""
    cell = 2 ** int(random.integers(1, 7))
    cells = random.random((side // cell + 1,) * 2, dtype=np.float32)
    blots: Float32Array = cells.repeat(cell, 0).repeat(cell, 1)[:side, :side]
    return blots


def _brownian(random: np.random.Generator, side: int) -> Float32Array:
    """A sum of white noise along both axes, stretched over the whole range."""
    walked = random.normal(size=(side, side)).cumsum(0).cumsum(1)
    stretched: Float32Array = ((walked - walked.min()) / np.ptp(walked)).astype(np.float32)
    return stretched


def _flat(random: np.random.Generator, side: int) -> Float32Array:
    return np.full((side, side), random.random(), np.float32)


def _ramp(random: np.random.Generator, side: int) -> Float32Array:
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, side), np.linspace(-0.5, 0.5, side))
    angle = random.uniform(0, 2 * np.pi)
    ramp: Float32Array = (0.5 + 0.7 * (np.cos(angle) * across + np.sin(angle) * down)).astype(np.float32)
    return ramp


def _stripes(random: np.random.Generator, side: int) -> Float32Array:
    wave = 0.5 + 0.5 * np.sin(np.arange(side) * 2 * np.pi * random.uniform(2, 20) / side)
    return np.broadcast_to(wave, (side, side)).astype(np.float32)


_NOISES = (_gaussian, _uniform, _blots, _brownian, _flat, _ramp, _stripes)
