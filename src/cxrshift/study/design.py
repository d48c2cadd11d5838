"""Which case is shown to whom when, and with which arm: all of it from one seed, the same on every machine.

As in arXiv 2102.09475: two reads; every reader sees each case once in each, with one arm first and the other after.
Which arm comes first is the case's own, the same for every reader, and balanced within each stratum (a finding with a
label), so that what a second look alone adds falls on both arms alike. The order of cases is another for every reader
and read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..evaluation.reader_study import LATENT_SHIFT, TRADITIONAL


class Arms(StrEnum):
    """What the readers of a study are shown."""

    BOTH = "both"
    """Each case twice, once with each arm."""
    LATENT_SHIFT = "latent-shift"
    """Each case once, with frames and heatmap."""
    TRADITIONAL = "traditional"
    """Each case once, with the traditional maps."""

    @property
    def reads(self) -> int:
        """How often each case is seen."""
        return 2 if self is Arms.BOTH else 1


@dataclass(frozen=True)
class Stratum:
    """The cases of one finding and one label, among which first arms are balanced."""

    finding: str
    label_name: str


@dataclass(frozen=True)
class Showing:
    """One case shown to one reader: ``read`` and ``position`` from 0."""

    read: int
    position: int
    example: str
    arm: str


def choose_first_arms(cases: Mapping[str, Stratum], arms: Arms, seed: int) -> dict[str, str]:
    """Each example's arm in the first read.

    Half of every stratum begins with either arm, drawn by lot. Of strata of odd size one after the other gives its odd
    case to the other arm, so that the whole study is balanced to within one case too.
    """
    if arms is not Arms.BOTH:
        return dict.fromkeys(cases, LATENT_SHIFT if arms is Arms.LATENT_SHIFT else TRADITIONAL)
    strata: dict[Stratum, list[str]] = {}
    for example, stratum in cases.items():
        strata.setdefault(stratum, []).append(example)
    chosen: dict[str, str] = {}
    more_first = LATENT_SHIFT
    for stratum in sorted(strata, key=lambda one: (one.finding, one.label_name)):
        drawn = draw_order(strata[stratum], seed, "arm")
        half = len(drawn) // 2
        if len(drawn) % 2:
            half += more_first == LATENT_SHIFT
            more_first = other_arm(more_first)
        chosen |= {example: LATENT_SHIFT if i < half else TRADITIONAL for i, example in enumerate(drawn)}
    return {example: chosen[example] for example in cases}


def plan_showings(first_arms: Mapping[str, str], arms: Arms, seed: int, reader: int) -> tuple[Showing, ...]:
    """Everything that reader number ``reader`` is shown, in its order."""
    showings = []
    for read in range(arms.reads):
        for position, example in enumerate(draw_order(first_arms, seed, f"order {reader} {read}")):
            arm = first_arms[example]
            showings.append(Showing(read, position, example, other_arm(arm) if read else arm))
    return tuple(showings)


def other_arm(arm: str) -> str:
    """The arm that this one is compared with."""
    return TRADITIONAL if arm == LATENT_SHIFT else LATENT_SHIFT


def draw_order(examples: Iterable[str], seed: int, purpose: str) -> Sequence[str]:
    """The examples in a random order: by SHA-256 of seed, purpose and name, which no library's release can change."""
    return sorted(examples, key=lambda example: hashlib.sha256(f"{seed}/{purpose}/{example}".encode()).digest())
