"""``cxrshift evaluate faithfulness``: whether the explanations are true to the classifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import Screen
from ..examples import epilog
from ..exits import errors_told
from ..options import AsJsonDocument
from ..results import Row, finite, flat_row, write_results
from .options import (
    Blur,
    Chosen,
    Dataset,
    Evaluated,
    Heatmap,
    Images,
    Limit,
    Out,
    Phantoms,
    PixelChange,
    Seed,
    Split,
    span,
)

if TYPE_CHECKING:
    from ...evaluation.faithfulness_report import FaithfulnessReport

EPILOG = epilog(
    "cxrshift evaluate faithfulness --phantoms 100 --out out",
    "cxrshift evaluate faithfulness -m cxr-small --images data/cxr --split test --pixel-change 0.1 --out out",
)


def faithfulness(
    phantoms: Phantoms = 100,
    seed: Seed = 0,
    images: Images = None,
    dataset: Dataset = "",
    split: Split = "test",
    limit: Limit = 100,
    model: Evaluated = "phantom",
    heatmap: Heatmap = "max",
    blur: Blur = 0.0,
    baseline: Annotated[
        Literal["blurred", "darkest"], typer.Option(help="What stands in place of a deleted pixel.")
    ] = "blurred",
    sanity_cases: Annotated[
        int, typer.Option("--sanity-cases", min=0, metavar="N", help="Findings explained with randomised weights.")
    ] = 16,
    pixel_change: PixelChange = None,
    out: Out = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Measure how far the score moves, how real the frames are, and whether the maps tell what the score reads.

    Drop and rise with their monotonicity; SSIM, and distances in the encoder's space; deletion and insertion curves;
    and the maps after the classifier's weights are randomised, which must change.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from cxrshift_api.types import HeatmapKind

        from ...evaluation.faithfulness_study import study_faithfulness
        from ...evaluation.maps import MapOptions
        from ...evaluation.perturbation import Baseline
        from ...models.loader import load_model

        loaded = load_model(model)
        samples = Chosen(phantoms, seed, images, dataset, split, limit).samples(loaded)
        with screen.progress("measuring explanations", None) as bar:
            report = study_faithfulness(
                loaded,
                samples,
                options=MapOptions(heatmap=HeatmapKind(heatmap), blur=blur, pixel_change=pixel_change),
                baseline=Baseline(baseline),
                sanity_cases=sanity_cases,
                seed=seed,
                progress=bar.set,
            )
        screen.tell(finite(asdict(report)))
        for line in report_lines(report):
            screen.say(line)
        if out is not None:
            _write(out, report)
            screen.say(f"written to {out}")


def report_lines(report: FaithfulnessReport) -> Iterator[str]:
    """The report as tables for people."""
    yield f"{report.model} {report.version}, {report.source}"
    yield from _movement_lines(report)
    yield ""
    yield "Realism in the encoder's space: Fréchet distance (the first row against itself is chance), AUROC"
    yield f"{'images':18} {'to radiographs':>15} {'to reconstructions':>19} {'told from them':>15}"
    for row in report.realism:
        yield (
            f"{row.images:18} {row.to_real:15.3f} {row.to_reconstructions:19.3f} {row.told_from_reconstructions:15.3f}"
        )
    yield ""
    yield f"Area under the curves, {report.baseline} baseline: deletion (lower is better), insertion (higher is better)"
    for curve in report.curves:
        areas = (curve.deletion_area, curve.insertion_area)
        yield f"{curve.method:23} {curve.cases:6} " + "   ".join(f"{a.value:6.3f} {span(a):>15}" for a in areas)
    if report.sanity:
        yield ""
        yield "Rank correlation with the map as it was, and overlap of the highest tenths (0.053 by chance)"
    for like in report.sanity:
        what = like.stage if like.stage[0].isalpha() else f"{like.stage} randomised"
        yield (
            f"{what:18} {like.method:23} {like.cases:6} {like.correlation.value:6.3f} "
            f"{span(like.correlation):>16} {like.overlap:7.3f}"
        )
    if report.refused or report.unexplained:
        yield f"without an explanation: {report.refused}; with randomised weights: {report.unexplained}"


def _movement_lines(report: FaithfulnessReport) -> Iterator[str]:
    heads = f"{'present':>8} {'absent':>7} {'drop':>6} {'rise':>6} {'called':>7} {'curtailed':>10} {'lost':>7}"
    yield f"{'finding':18}{heads} {'gap':>6} {'monotone':>9} {'SSIM':>6} {'held back':>10}"
    for row in report.movements:
        yield (
            f"{row.finding:18}{row.present:8} {row.absent:7} {row.drop.value:6.3f} {row.rise.value:6.3f} "
            f"{row.called:7} {100 * row.curtailed:9.1f}% {100 * row.lost:6.1f}% {row.median_gap:6.3f} "
            f"{100 * row.monotonicity.value:8.1f}% {row.ssim:6.3f} {100 * row.held_back:9.1f}%"
        )


def _write(folder: Path, report: FaithfulnessReport) -> None:
    from ...evaluation.figures.faithfulness import draw_curves, draw_sanity
    from ...evaluation.perturbation import SHARES

    points: list[Row] = [
        {"method": curve.method, "share": float(share), "deletion": deleted, "insertion": inserted}
        for curve in report.curves
        for share, deleted, inserted in zip(SHARES, curve.deletion, curve.insertion, strict=True)
    ]
    figures = {"curves.png": draw_curves(report)} if report.curves else {}
    figures |= {"sanity.png": draw_sanity(report)} if report.sanity else {}
    write_results(
        folder,
        tables={
            "movement.csv": [flat_row(row) for row in report.movements],
            "realism.csv": [flat_row(row) for row in report.realism],
            "curves.csv": points,
            "sanity.csv": [flat_row(row) for row in report.sanity],
        },
        documents={"faithfulness.json": finite(asdict(report))},
        figures=figures,
    )
