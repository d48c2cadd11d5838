"""Explains findings and keeps how all scores move along each path: what ``evaluate alignment`` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from cxrshift_api.types import ExplainOptions, Problem

from ..core.engine import Engine, Order
from ..core.model import LatentModel, Model
from .alignment import SMALLEST_MOVE, AlignmentReport, Path, summarise
from .samples import Sample, Samples, SamplesError


class Cases(StrEnum):
    """On which radiographs a finding's path is walked."""

    PRESENT = "present"
    """Those that have the finding."""
    ABSENT = "absent"
    """Those that do not."""
    ALL = "all"
    """Both."""


def study_alignment(
    model: Model | LatentModel,
    samples: Samples,
    *,
    cases: Cases = Cases.PRESENT,
    pixel_change: float | None = None,
    smallest_move: float = SMALLEST_MOVE,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AlignmentReport:
    """Walk the two-sided path of every trained finding on every sample that ``cases`` names.

    ``pixel_change`` is that of ExplainOptions, in (0, 1]; a path whose own score rises by less than ``smallest_move`` >
    0 is left out; ``seed`` draws the resamples; ``progress`` is told how many samples are done, and of how many. Raises
    SamplesError where no path is left.
    """
    engine = Engine(model)
    columns = [(column, finding.name) for column, finding in enumerate(engine.spec.findings) if finding.trained]
    paths: list[Path] = []
    refused = unmoved = 0
    for position, sample in enumerate(samples):
        asked = [name for _, name in columns if _is_case(cases, name in sample.findings)]
        for walked in _walk(engine, sample, asked, pixel_change):
            if walked is None:
                refused += 1
            elif walked.own_change >= smallest_move:
                paths.append(walked)
            else:
                unmoved += 1
        progress(position + 1, len(samples))
    if not paths:
        raise SamplesError("No finding's score moves along its path; name other samples, or a model that knows them.")
    return AlignmentReport(
        model=engine.spec.name,
        version=engine.spec.version,
        source=samples.source,
        cases=cases,
        refused=refused,
        smallest_move=smallest_move,
        unmoved=unmoved,
        findings=tuple(name for _, name in columns),
        cells=summarise(paths, columns, seed=seed),
    )


def _is_case(cases: Cases, present: bool) -> bool:
    return cases is Cases.ALL or present is (cases is Cases.PRESENT)


def _walk(engine: Engine, sample: Sample, findings: Sequence[str], pixel_change: float | None) -> Iterator[Path | None]:
    """The path of each finding on the sample; None where there is no explanation."""
    orders = [Order(sample.radiograph, ExplainOptions((name,), pixel_change=pixel_change)) for name in findings]
    for outcome in engine.explain(orders).outcomes:
        if isinstance(outcome, Problem):
            yield None
            continue
        (one,) = outcome
        yield Path(sample.name, sample.group, one.finding, one.findings.index(one.finding), one.scores)
