"""``cxrshift evaluate localisation``: whether the maps lie where the findings are."""

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
from ..results import finite, flat_row, write_results
from .options import Blur, Evaluated, Heatmap, Out, Phantoms, PixelChange, Seed, Split, SplitName, chosen_split, span

if TYPE_CHECKING:
    from ...core.model import Model
    from ...evaluation.localisation_report import LocalisationReport
    from ...evaluation.samples import Samples

EPILOG = epilog(
    "cxrshift evaluate localisation --phantoms 300 --seed 1 --out out",
    "cxrshift evaluate localisation -m cxr-small --masks data --source nih-bbox --split test --out out",
)


def localisation(
    phantoms: Phantoms = 200,
    seed: Seed = 0,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with cxr/manifest.csv, masks/masks.csv and masks/boxes.csv."),
    ] = None,
    split: Split = "test",
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only masks of this source; may be given again.")
    ] = None,
    model: Evaluated = "phantom",
    heatmap: Heatmap = "max",
    blur: Blur = 0.0,
    truth: Annotated[
        Literal["mask", "change"],
        typer.Option(help="Where the finding is, or, of phantoms, where it shows: it changes 5% of the grey scale."),
    ] = "mask",
    detected: Annotated[bool, typer.Option("--detected", help="Only findings that the model calls present.")] = False,
    pixel_change: PixelChange = None,
    out: Out = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Hold Latent Shift and the traditional maps against masks: IoU, precision, recall, pointing game.

    A map marks as many pixels as the mask has, as in arXiv 2102.09475; so precision and recall are one number. The
    second pair is taken at half of the map's own maximum. Intervals resample patients. Grey baselines know no model.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from cxrshift_api.types import HeatmapKind

        from ...evaluation.localisation_report import Truth
        from ...evaluation.localisation_study import study_localisation
        from ...evaluation.maps import MapOptions
        from ...models.loader import load_model

        loaded = load_model(model)
        samples = _samples(loaded, phantoms, seed, masks, split, source or [])
        options = MapOptions(heatmap=HeatmapKind(heatmap), blur=blur, pixel_change=pixel_change)
        with screen.progress("holding maps against masks", None) as bar:
            report = study_localisation(
                loaded,
                samples,
                options=options,
                truth=Truth(truth),
                detected=detected,
                seed=seed,
                progress=bar.set,
            )
        screen.tell(report_to_json(report))
        for line in report_lines(report):
            screen.say(line)
        if out is not None:
            _write(out, loaded, samples, report)
            screen.say(f"written to {out}")


def _samples(
    model: Model, phantoms: int, seed: int, masks: Path | None, split: SplitName, sources: list[str]
) -> Samples:
    from ...evaluation.samples import masked_samples, phantom_samples

    if masks is None:
        return phantom_samples(phantoms, seed)
    trained = [finding.name for finding in model.spec.findings if finding.trained]
    return masked_samples(masks, trained, sources=sources, split=chosen_split(split))


def report_to_json(report: LocalisationReport) -> dict[str, object]:
    """The report without its single cases."""
    members = asdict(report)
    del members["outcomes"]
    return finite(members)


def report_lines(report: LocalisationReport) -> Iterator[str]:
    """The report as tables for people."""
    options = report.options
    yield f"{report.model} {report.version}, {report.source}"
    yield f"truth {report.truth}, heatmap {options.heatmap}, blur {options.blur:g} pixels"
    heads = f"{'cases':>6} {'IoU':>6} {'95% interval':>15} {'P = R':>6} {'pointed':>8} {'P half':>7} {'R half':>7}"
    yield f"{'finding':18} {'map':23}{heads}"
    for row in report.rows:
        numbers = f"{row.cases:6} {row.iou.value:6.3f} {span(row.iou):>15} {row.dice:6.3f}"
        shares = f"{100 * row.pointing.value:7.1f}% {row.precision:7.3f} {row.recall:7.3f}"
        yield f"{row.finding:18} {row.method:23}{numbers} {shares}"
    yield ""
    yield "Latent Shift's IoU minus that of the best traditional map"
    for one in report.differences:
        yield f"{one.finding:18} {one.other:23}{'':6} {one.iou.value:+6.3f} {span(one.iou):>15}"
    if report.refused or report.outside:
        yield f"left out: {report.refused} without an explanation, {report.outside} whose mask lies outside the picture"


def _write(folder: Path, model: Model, samples: Samples, report: LocalisationReport) -> None:
    from ...evaluation.figures.localisation import NOTE, draw_examples, draw_intervals
    from ...evaluation.localisation_study import show_examples

    title = f"Latent Shift's median cases of its best, a middle and its worst finding\n{NOTE}"
    write_results(
        folder,
        tables={
            "localisation.csv": [flat_row(row) for row in report.rows],
            "differences.csv": [flat_row(row) for row in report.differences],
            "cases.csv": [flat_row(outcome) for outcome in report.outcomes],
        },
        documents={"localisation.json": report_to_json(report)},
        figures={
            "localisation.png": draw_intervals(report),
            "examples.png": draw_examples(show_examples(model, samples, report), title=title),
        },
    )
