"""``cxrshift evaluate shortcut``: whether an explanation gives away a classifier that reads something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import Screen
from ..examples import epilog
from ..exits import errors_told
from ..options import AsJsonDocument
from ..results import finite, flat_row, write_results
from .options import Blur, Evaluated, Heatmap, Out, PixelChange, Seed, span

if TYPE_CHECKING:
    from ...evaluation.shortcut_report import ShortcutReport

EPILOG = epilog(
    "cxrshift evaluate shortcut --out out",
    "cxrshift evaluate shortcut --finding Effusion --seed 1 --out out",
)


def shortcut(
    finding: Annotated[str, typer.Option(metavar="FINDING", help="What the device marks, of the phantoms'.")] = "Mass",
    patients: Annotated[int, typer.Option(min=2, metavar="N", help="Phantom patients to train on.")] = 600,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Steps of each training.")] = 600,
    test: Annotated[int, typer.Option(min=1, metavar="N", help="Other patients, whose pictures are explained.")] = 100,
    seed: Seed = 0,
    model: Evaluated = "phantom",
    heatmap: Heatmap = "max",
    blur: Blur = 0.0,
    pixel_change: PixelChange = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that draw phantoms.")] = 2,
    out: Out = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Train two classifiers, one where a device marks the finding, and measure how much energy falls on the device.

    Both learn from labels alone, beside the model's autoencoder, on phantoms of the same patients. Then both are
    explained on the same pictures of other patients, which show finding and device. AUROC is that of the share of a
    map's energy on the device as a sign of the shortcut.
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from cxrshift_api.types import HeatmapKind

        from ...evaluation.maps import MapOptions
        from ...evaluation.shortcut_study import Amount, study_shortcut
        from ...models.loader import load_model

        loaded = load_model(model)
        with screen.progress("drawing patients", None) as bar:

            def show(what: str, done: int, total: int) -> None:
                bar.name(what)
                bar.set(done, total)

            report, examples = study_shortcut(
                loaded,
                finding=finding,
                amount=Amount(patients, steps, test, workers),
                options=MapOptions(heatmap=HeatmapKind(heatmap), blur=blur, pixel_change=pixel_change),
                seed=seed,
                progress=show,
            )
        screen.tell(_document(report))
        for line in report_lines(report):
            screen.say(line)
        if out is not None:
            from ...evaluation.figures.shortcut import draw_shortcut

            write_results(
                out,
                tables={
                    "shortcut.csv": [flat_row(row) for row in report.methods],
                    "classifiers.csv": [flat_row(row) for row in report.classifiers],
                    "shares.csv": [flat_row(case) for case in report.cases],
                },
                documents={"shortcut.json": _document(report)},
                figures={"shortcut.png": draw_shortcut(report, examples)},
            )
            screen.say(f"written to {out}")


def report_lines(report: ShortcutReport) -> Iterator[str]:
    """The report as two tables for people."""
    yield (
        f"{report.model} {report.version}: {report.finding}, {report.trained_on} patients, {report.steps} steps, "
        f"{report.tested_on} other patients of seed {report.seed}"
    )
    yield "AUROC of each classifier where the device goes with the finding, has nothing to do with it, goes against it;"
    yield "mean score of pictures with neither, with the device, with the finding, with both"
    yield (
        f"{'trained on':12} {'with':>7} {'nothing':>8} {'against':>8}  {'neither':>8} {'device':>7} {'finding':>8} "
        f"{'both':>6}"
    )
    for row in report.classifiers:
        yield (
            f"{row.world:12} {row.with_finding:7.3f} {row.independent:8.3f} {row.against_finding:8.3f}  "
            f"{row.neither:8.3f} {row.device_alone:7.3f} {row.finding_alone:8.3f} {row.both:6.3f}"
        )
    yield ""
    yield f"Share of the map's energy on the device ({report.area:.3f} of the picture), and whether it tells them apart"
    yield f"{'method':23} {'cases':>6} {'clean':>6} {'shortcut':>9} {'AUROC':>6}"
    for found in report.methods:
        yield (
            f"{found.method:23} {found.cases:6} {found.clean.value:6.3f} {found.shortcut.value:9.3f} "
            f"{found.auroc.value:6.3f} {span(found.auroc):>15}"
        )
    if report.refused:
        yield f"without an explanation: {report.refused}"


def _document(report: ShortcutReport) -> dict[str, object]:
    return finite({name: member for name, member in asdict(report).items() if name != "cases"})
