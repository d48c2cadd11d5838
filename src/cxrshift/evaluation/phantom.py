"""How good a model's explanations are on phantoms, whose findings are known to the pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import ExplainOptions, Explanation, Problem

from ..core.engine import Engine, Order
from ..core.model import LatentModel, Model
from ..parallel import map_in_processes
from ..phantom import FINDINGS, Phantom, generate
from .localisation import auroc, overlap, peak_is_inside, resize_mask

FIRST_SEED = 1 << 40
"""Seeds of evaluation start here, far from any that a model was trained on."""
SEEDS_APART = 1_000_000
"""How far apart the seeds of two evaluations are: the number of phantoms that one can have."""
SURE_POSITIVE, SURE_NEGATIVE = 0.7, 0.3
DROP, RISE = 0.5, 0.3
_BATCH = 16


@dataclass(frozen=True)
class Share:
    """A number of cases, and how many of them did something."""

    reached: int
    """Number of cases that did."""
    total: int
    """Number of all cases."""

    @property
    def value(self) -> float:
        """In [0, 1]; NaN without cases."""
        return self.reached / self.total if self.total else float("nan")


@dataclass(frozen=True)
class FindingReport:
    """One finding's figures over all phantoms."""

    finding: str
    """The finding's name."""
    auroc: float
    """Area under the ROC curve of its scores, in [0, 1]."""
    dropped: Share
    """Positives scored 0.7 or more whose score fell by 0.5 or more."""
    raised: Share
    """Negatives scored 0.3 or less whose score rose by 0.3 or more; one absent finding of each phantom is asked."""
    pointed: Share
    """Positives whose heatmap peaks inside the mask, dilated by 5% of the width."""
    overlap: float
    """Mean intersection over union of mask and heatmap at the mask's area, over positives."""


@dataclass(frozen=True)
class PhantomReport:
    """What ``evaluate phantom`` prints.

    ``model`` and ``version`` are those explained.
    """

    model: str
    version: str
    phantoms: int
    """Number of phantoms."""
    seed: int
    """What chose them, from 0."""
    ssim: float
    """Mean structural similarity of radiograph and reconstruction, in [-1, 1]."""
    mae: float
    """Mean absolute error of the reconstruction, in model units."""
    findings: tuple[FindingReport, ...]
    """In the order of the phantoms' findings."""
    refused: int = 0
    """Explanations that ended as a Problem; they count as ones that moved no score and point nowhere."""

    def pooled(self, name: str) -> Share:
        """``dropped``, ``raised`` or ``pointed`` over all findings together."""
        shares: list[Share] = [getattr(finding, name) for finding in self.findings]
        return Share(sum(s.reached for s in shares), sum(s.total for s in shares))


@dataclass(frozen=True)
class _Case:
    """What is kept of one explanation; ``pointed`` and ``overlap`` are of the present findings only."""

    finding: str
    phantom: int
    present: bool
    score: float
    drop: float = 0.0
    rise: float = 0.0
    ssim: float | None = None
    """None, as ``mae``, where there is no explanation."""
    mae: float | None = None
    pointed: bool = False
    overlap: float = 0.0


def evaluate_phantom(
    model: Model | LatentModel,
    *,
    n: int,
    seed: int,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PhantomReport:
    """Draw ``n`` phantoms of seeds that belong to ``seed``, explain every present and one absent finding of each.

    ``progress`` is told how many explanations are done, and of how many. Raises ValueError if the model does not know
    the phantoms' findings or ``n`` is not positive. RuntimeError where the model gives no probability for a phantom.
    """
    engine = Engine(model)
    known = [f.name for f in engine.spec.findings]
    if n < 1 or not set(FINDINGS) <= set(known):
        raise ValueError(f"needs at least one phantom and a model that knows {', '.join(FINDINGS)}")
    first = FIRST_SEED + seed * SEEDS_APART
    phantoms = list(map_in_processes(generate, range(first, first + n), workers=workers, chunk=16))
    scores = _score(engine, phantoms)
    cases = _explain(engine, phantoms, scores, np.random.default_rng(seed), progress)
    seen = {case.phantom: case for case in cases if case.ssim is not None}.values()
    return PhantomReport(
        model=engine.spec.name,
        version=engine.spec.version,
        phantoms=n,
        seed=seed,
        ssim=_mean([case.ssim for case in seen if case.ssim is not None]),
        mae=_mean([case.mae for case in seen if case.mae is not None]),
        findings=tuple(
            _report(
                name,
                auroc(scores[:, known.index(name)], np.array([name in p.masks for p in phantoms])),
                [case for case in cases if case.finding == name],
            )
            for name in FINDINGS
        ),
        refused=sum(case.ssim is None for case in cases),
    )


def _score(engine: Engine, phantoms: Sequence[Phantom]) -> NDArray[np.float64]:
    """(N, F) scores of the radiographs themselves."""
    rows = []
    for start in range(0, len(phantoms), _BATCH):
        scored = engine.classify([p.to_radiograph() for p in phantoms[start : start + _BATCH]])
        for row in scored:
            if isinstance(row, Problem):
                raise RuntimeError(f"a phantom of {start} to {start + _BATCH - 1}: {row.message}")
            rows.append([one.score for one in row])
    return np.array(rows)


def _explain(
    engine: Engine,
    phantoms: Sequence[Phantom],
    scores: NDArray[np.float64],
    rng: np.random.Generator,
    progress: Callable[[int, int], None],
) -> list[_Case]:
    columns = {finding.name: column for column, finding in enumerate(engine.spec.findings)}
    asked: list[tuple[int, str]] = []
    for i, phantom in enumerate(phantoms):
        absent = [name for name in FINDINGS if name not in phantom.masks]
        asked += [(i, name) for name in phantom.findings]
        asked += [(i, str(rng.choice(absent)))] if absent else []
    cases: list[_Case] = []
    for start in range(0, len(asked), _BATCH):
        some = asked[start : start + _BATCH]
        orders = [Order(phantoms[i].to_radiograph(), ExplainOptions((name,))) for i, name in some]
        for (i, name), outcome in zip(some, engine.explain(orders).outcomes, strict=True):
            case = _Case(name, i, name in phantoms[i].masks, float(scores[i, columns[name]]))
            cases.append(case if isinstance(outcome, Problem) else _measure(case, phantoms[i], outcome[0]))
        progress(len(cases), len(asked))
    return cases


def _measure(case: _Case, phantom: Phantom, explanation: Explanation) -> _Case:
    """``case`` with what its explanation reached."""
    quality = explanation.quality
    case = replace(case, drop=quality.drop, rise=quality.rise, ssim=quality.ssim, mae=quality.mae)
    if not case.present:
        return case
    mask = resize_mask(phantom.masks[case.finding], explanation.heatmap.shape[0])
    return replace(case, pointed=peak_is_inside(explanation.heatmap, mask), overlap=overlap(explanation.heatmap, mask))


def _report(name: str, area: float, cases: Sequence[_Case]) -> FindingReport:
    positives = [case for case in cases if case.present]
    sure = [case for case in positives if case.score >= SURE_POSITIVE]
    quiet = [case for case in cases if not case.present and case.score <= SURE_NEGATIVE]
    return FindingReport(
        finding=name,
        auroc=area,
        dropped=Share(sum(case.drop >= DROP for case in sure), len(sure)),
        raised=Share(sum(case.rise >= RISE for case in quiet), len(quiet)),
        pointed=Share(sum(case.pointed for case in positives), len(positives)),
        overlap=_mean([case.overlap for case in positives]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
