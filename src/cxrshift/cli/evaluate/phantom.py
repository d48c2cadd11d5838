"""``cxrshift evaluate phantom``: explanations of synthetic radiographs, whose findings are known to the pixel."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import Screen
from ..examples import epilog
from ..exits import ExitCode, Trouble, errors_told
from ..options import AsJsonDocument
from ..results import Row, finite, write_results
from .options import Evaluated, Out

if TYPE_CHECKING:
    from ...evaluation.phantom import FindingReport, PhantomReport, Share

EPILOG = epilog(
    "cxrshift evaluate phantom --n 1000 --seed 1 --out out",
)


def phantom(
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="Phantoms to draw.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="SEED", help="Which phantoms; never ones trained on.")] = 0,
    model: Evaluated = "phantom",
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that draw phantoms.")] = 2,
    out: Out = None,
    as_json: AsJsonDocument = False,
) -> None:
    """Explain synthetic radiographs whose findings are known to the pixel, and print how well that went."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...evaluation.phantom import evaluate_phantom
        from ...models.loader import load_model

        loaded = load_model(model)
        try:
            with screen.progress("explaining phantoms", None) as bar:
                report = evaluate_phantom(loaded, n=n, seed=seed, workers=workers, progress=bar.set)
        except ValueError as error:  # a model of other findings
            screen.end(Trouble.MODEL, f"The evaluation {error}.", ExitCode.USAGE)
            raise typer.Exit(ExitCode.USAGE) from error
        screen.tell(report_to_json(report))
        for line in report_lines(report):
            screen.say(line)
        if out is not None:
            _write(out, report)
            screen.say(f"written to {out}")


def report_to_json(report: PhantomReport) -> dict[str, object]:
    """The report's fields, with shares as numbers beside their counts and what is not a number as null."""
    members: dict[str, object] = asdict(report)
    members["findings"] = [
        {
            **asdict(finding),
            **{name: _share(getattr(finding, name)) for name in ("dropped", "raised", "pointed")},
        }
        for finding in report.findings
    ]
    members["pooled"] = {name: _share(report.pooled(name)) for name in ("dropped", "raised", "pointed")}
    return finite(members)


def _share(share: Share) -> dict[str, float]:
    return {"share": share.value, "reached": share.reached, "total": share.total}


def report_lines(report: PhantomReport) -> list[str]:
    """The report as a table for people."""
    lines = [
        f"{report.model} {report.version}, {report.phantoms} phantoms of seed {report.seed}: "
        f"SSIM {report.ssim:.3f}, MAE {report.mae:.1f}",
        f"{'finding':16} {'AUROC':>7} {'dropped':>8} {'raised':>8} {'pointed':>8} {'overlap':>8}",
    ]
    for f in report.findings:
        shares = " ".join(_percent(share) for share in (f.dropped, f.raised, f.pointed))
        lines.append(f"{f.finding:16} {f.auroc:7.3f} {shares} {f.overlap:8.3f}")
    pooled = " ".join(_percent(report.pooled(name)) for name in ("dropped", "raised", "pointed"))
    lines.append(f"{'all':16} {'':7} {pooled}")
    if report.refused:
        lines.append(f"refused: {report.refused} explanations, counted as ones that moved nothing and point nowhere")
    return lines


def _percent(share: Share) -> str:
    return f"{'-':>8}" if math.isnan(share.value) else f"{100.0 * share.value:7.1f}%"


def _write(folder: Path, report: PhantomReport) -> None:
    from ...evaluation.figures.phantom import draw_shares

    write_results(
        folder,
        tables={"phantom.csv": [_row(finding) for finding in report.findings]},
        documents={"phantom.json": report_to_json(report)},
        figures={"phantom.png": draw_shares(report)},
    )


def _row(finding: FindingReport) -> Row:
    shares = {name: getattr(finding, name) for name in ("dropped", "raised", "pointed")}
    counts = {
        f"{name}{end}": number
        for name, share in shares.items()
        for end, number in (("", share.value), ("_reached", share.reached), ("_total", share.total))
    }
    return {"finding": finding.finding, "auroc": finding.auroc, **counts, "overlap": finding.overlap}
