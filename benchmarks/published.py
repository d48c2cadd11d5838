"""The published package against this engine: ``python -m benchmarks.published --out DIR``.

torchxrayvision's own architectures with random weights, the same for both; the same radiographs and findings. The
latentshift package's ``attribute`` and the engine take turns call by call, so that each ratio is of two calls that the
machine treated alike. "same grid" is the engine with the package's own rules for the range of shifts, "default" the
engine's own profile; both make the whole explanation: quality card, stored frames, every finding's scores.

Beside that, one decoded and classified row in each runtime, against a row as the package runs it and against what a
measured matrix product implies. Writes published.json and published.png.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import Model
from cxrshift.core.passes import Passes
from cxrshift.core.probe import Rows, aim, probe
from cxrshift_api.types import ExplainOptions, Explanation, Profile

from . import networks
from .oracle import Answer, Published
from .orders import explain
from .published_plot import draw_bars
from .reporting import describe_machine, say_machine, to_table, write_json
from .rows import RowTimes, tell_rows, time_rows
from .selection import Pair, add_selection, build, open_cache, select
from .timing import in_turns, median_ratio

Images = NDArray[np.float32]

_COLUMNS = (0, 7, 17)
"""The finding of each radiograph in turn; the package's searches for them are of different lengths."""
_SAME_GRID = Profile.LATENTSHIFT


@dataclass(frozen=True)
class Case:
    """A radiograph and a finding of it."""

    seed: int
    column: int

    @property
    def image(self) -> Tensor:
        """As the package takes it."""
        return networks.to_input(networks.radiograph(self.seed))

    def order(self, profile: Profile) -> Order:
        """As the engine takes it."""
        return Order(networks.radiograph(self.seed), ExplainOptions((networks.FINDINGS[self.column],), profile))


@dataclass(frozen=True)
class Match:
    """How near the engine's answer is to the published one."""

    same_grid: bool
    """Whether the two searches ended at the same range, and so at the same λs to the last bit."""
    scores: float
    """Largest absolute difference of the finding's scores at the published λs."""
    frames: float
    """Largest ‖ours − theirs‖ / ‖theirs‖ of the frames at the published λs."""


@dataclass(frozen=True)
class Comparison:
    """One case in one runtime; seconds of each call, and those with the same index were made in a row."""

    pair: Pair
    case: Case
    published: tuple[float, ...]
    same_grid: tuple[float, ...]
    default: tuple[float, ...]
    points: int
    """λs that the package's search looks at."""
    match: Match


@dataclass(frozen=True)
class Together:
    """Explanations by the default profile of ``orders`` radiographs in one call, after a first such call."""

    pair: Pair
    orders: int
    per_second: float


@dataclass(frozen=True)
class Summary:
    """A runtime's comparisons together."""

    pair: Pair
    published_seconds: float
    """The package's median."""
    same_grid: float
    """Times as fast as the package, over its own grid: the median of the paired ratios."""
    default: float
    """The same of the default profile."""
    equal_grids: int
    cases: int
    scores: float
    frames: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    given = _parse(arguments)
    pairs, machine = select(given), describe_machine()
    print(say_machine(machine), flush=True)
    theirs = networks.untrained().to(given.device)
    published = _load(theirs)
    cases = [Case(seed, _COLUMNS[seed % len(_COLUMNS)]) for seed in range(given.radiographs)]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # timed as it comes, compared at its best
        answers = {case: published.attribute(case.image.to(given.device), case.column) for case in cases}
    comparisons: list[Comparison] = []
    rows: list[RowTimes] = []
    together: list[Together] = []
    with open_cache(given) as cache:
        for pair in pairs:
            model = build(networks.to_model(theirs, given.device), pair, cache=cache)
            if model is None:
                continue
            rows.append(time_rows(pair, model, theirs, given.repeats))
            for case, answer in answers.items():
                comparisons.append(compare(pair, model, published, case, answer, given.runs))
                print(_tell_case(comparisons[-1]), flush=True)
            if given.together:
                together.append(explain_together(pair, model, given.together, given.runs))
                print(f"{pair}, {given.together} at once: {together[-1].per_second:.3g} a second", flush=True)
    summaries = [summarize([c for c in comparisons if c.pair == r.pair]) for r in rows]
    print("", tell_summaries(summaries), "", tell_rows(rows), sep="\n")
    if given.out and rows:
        results = {"device": given.device, "threads": torch.get_num_threads(), "runs": given.runs}
        results |= {"summaries": list(map(asdict, summaries)), "rows": list(map(asdict, rows))}
        results |= {"together": list(map(asdict, together))}
        write_json(given.out / "published.json", machine, results | {"calls": list(map(asdict, comparisons))})
        (given.out / "published.png").write_bytes(draw_bars(summaries, rows, say_machine(machine)))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published", description=__doc__)
    add_selection(parser)
    parser.add_argument("--radiographs", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2, help="pairs of calls for each radiograph and runtime")
    parser.add_argument("--together", type=int, default=0, metavar="N", help="also N radiographs in one call")
    parser.add_argument("--repeats", type=int, default=7, help="of each pass that is timed alone")
    parser.add_argument("--out", type=Path, help="folder for published.json and published.png")
    return parser.parse_args(arguments)


def _load(theirs: networks.Untrained) -> Published:
    try:
        return Published(theirs.classifier, theirs.autoencoder)
    except PackageNotFoundError as error:
        raise SystemExit("latentshift is not installed; requirements-oracles.lock names it (--no-deps).") from error


def compare(pair: Pair, model: Model, published: Published, case: Case, answer: Answer, runs: int) -> Comparison:
    """The package between the engine's two profiles, call by call, every other time in the reverse order."""
    engine, image = Engine(model), case.image.to(model.device)
    same_grid, default = case.order(_SAME_GRID), case.order(ExplainOptions().profile)
    (ours,), _ = explain(engine, [same_grid]), explain(engine, [default])
    seconds = in_turns(
        {
            "same grid": lambda: explain(engine, [same_grid]),
            "published": lambda: published.attribute(image, case.column),
            "default": lambda: explain(engine, [default]),
        },
        runs,
        model.device,
    )
    return Comparison(
        pair=pair,
        case=case,
        published=tuple(seconds["published"]),
        same_grid=tuple(seconds["same grid"]),
        default=tuple(seconds["default"]),
        points=ours.below.evaluated,
        match=match(model, case, ours, answer),
    )


def explain_together(pair: Pair, model: Model, count: int, runs: int) -> Together:
    """How many explanations a second ``model`` makes of ``count`` radiographs at once."""
    engine = Engine(model)
    orders = [Case(seed, _COLUMNS[seed % len(_COLUMNS)]).order(ExplainOptions().profile) for seed in range(count)]
    explain(engine, orders)
    seconds = in_turns({"all": lambda: explain(engine, orders)}, runs, model.device)["all"]
    return Together(pair, count, count / statistics.median(seconds))


def match(model: Model, case: Case, ours: Explanation, theirs: Answer) -> Match:
    """The engine's frames and scores, before they are stored as pixels, at the very λs that the package ended at.

    In a coarser precision a stop rule may fire at another λ; the pictures at the same λ are still to be compared.
    """
    passes = Passes(model)
    targets = aim(passes, passes.encode(case.image), [0], [case.column])
    rows = Rows(np.zeros(len(theirs.lambdas), dtype=np.int64), theirs.lambdas)
    (probed,) = probe(passes, targets, rows, budget=len(rows))
    return Match(
        same_grid=np.array_equal(ours.lambdas, theirs.lambdas.astype(np.float32)),
        scores=float(np.abs(probed.scores[:, case.column] - theirs.scores).max()),
        frames=relative_error(probed.frames[:, 0].cpu().numpy(), theirs.frames),
    )


def relative_error(ours: Images, theirs: Images) -> float:
    """The largest ‖ours − theirs‖ / ‖theirs‖ of two stacks of images (R, H, W)."""
    axes = (1, 2)
    differences = np.linalg.norm(ours.astype(np.float64) - theirs, axis=axes)
    return float((differences / np.linalg.norm(theirs.astype(np.float64), axis=axes)).max())


def summarize(comparisons: Sequence[Comparison]) -> Summary:
    """One pair's comparisons together; each ratio is of two calls in a row."""
    published = [s for c in comparisons for s in c.published]
    same_grid, default = ([s for c in comparisons for s in getattr(c, name)] for name in ("same_grid", "default"))
    return Summary(
        pair=comparisons[0].pair,
        published_seconds=statistics.median(published),
        same_grid=median_ratio(published, same_grid),
        default=median_ratio(published, default),
        equal_grids=sum(c.match.same_grid for c in comparisons),
        cases=len(comparisons),
        scores=max(c.match.scores for c in comparisons),
        frames=max(c.match.frames for c in comparisons),
    )


def _tell_case(c: Comparison) -> str:
    times = ", ".join(
        f"{name} {statistics.median(seconds):.3g} s"
        for name, seconds in (("published", c.published), ("same grid", c.same_grid), ("default", c.default))
    )
    return f"{c.pair}, radiograph {c.case.seed}, {c.points} points: {times}"


def tell_summaries(summaries: Sequence[Summary]) -> str:
    """A table."""
    headings = (
        *("times as fast as published", "same grid", "default", "equal grids"),
        *("scores differ by", "frames differ by", "published s"),
    )
    cells = [
        (
            *(str(s.pair), f"{s.same_grid:.1f}", f"{s.default:.1f}", f"{s.equal_grids} of {s.cases}"),
            *(f"{s.scores:.1e}", f"{s.frames:.1e}", f"{s.published_seconds:.2f}"),
        )
        for s in summaries
    ]
    return to_table(headings, cells)


if __name__ == "__main__":
    main()
