"""``cxrshift evaluate``: how good a model's explanations are, against a known truth."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import evaluate_faithfulness, evaluate_localisation
from .console import Screen
from .exits import EXIT_CODES, ExitCode, errors_told
from .options import AsJson

if TYPE_CHECKING:
    from ..evaluation.phantom import PhantomReport, Share
    from ..evaluation.reader_study import Comparison

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
app.command(epilog=evaluate_localisation.EPILOG)(evaluate_localisation.localisation)
app.command(epilog=evaluate_faithfulness.EPILOG)(evaluate_faithfulness.faithfulness)


@app.callback()
def evaluate() -> None:
    """Measure a model's explanations against a known truth."""


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift evaluate phantom --n 1000 --seed 1 --json\n\n" + EXIT_CODES)
def phantom(
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="Phantoms to draw.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="SEED", help="Which phantoms; never ones trained on.")] = 0,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="MODEL", help="An installed model, or ./FOLDER.")
    ] = "phantom",
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that draw phantoms.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Explain synthetic radiographs whose findings are known to the pixel, and print how well that went."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..evaluation.phantom import evaluate_phantom
        from ..models.loader import load_model

        loaded = load_model(model)
        try:
            with screen.progress("explaining phantoms", None) as bar:
                report = evaluate_phantom(loaded, n=n, seed=seed, workers=workers, progress=bar.set)
        except ValueError as error:  # a model of other findings
            screen.fail(f"The evaluation {error}.")
            raise typer.Exit(ExitCode.USAGE) from error
        screen.tell(report_to_json(report))
        for line in report_lines(report):
            screen.say(line)


@app.command(epilog="[bold]Example[/bold]\n\ncxrshift evaluate reader-study study --json\n\n" + EXIT_CODES)
def reader_study(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with the study's readings.csv.")],
    as_json: AsJson = False,
) -> None:
    """Compare readers' answers with Latent Shift and with traditional maps, paired by example and reader.

    The statistics are those of arXiv 2102.09475: mean and standard deviation of the differences, and the Wilcoxon
    signed-rank test. The last column says how many pairs a next study needs to find such an effect (power 80%).
    """
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..evaluation.reader_study import compare, read_readings

        comparisons = compare(read_readings(folder))
        screen.tell({"comparisons": [_numbers(asdict(one)) for one in comparisons]})
        for line in comparison_lines(comparisons):
            screen.say(line)


def comparison_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """The comparisons as tables for people, one for each question and label."""
    from ..evaluation.reader_study import pairs_needed

    lines: list[str] = []
    title = ""
    for one in comparisons:
        if title != (title := f"{one.question.replace('_', ' ')}, {one.label.lower()}s"):
            heads = f"{'pairs':>6} {'mean':>8} {'sd':>7} {'W':>8} {'p':>9} {'needed':>7}"
            lines += [*([""] if lines else []), f"{title}: Latent Shift minus traditional", f"{'':16} {heads}"]
        needed = pairs_needed(one)
        last = f"{needed:7.0f}" if needed < 1e6 else f"{'-':>7}"  # beyond a million: no effect to find
        lines.append(
            f"{one.finding:16} {one.pairs:6} {one.mean:+8.4f} {one.sd:7.4f} {one.statistic:8.1f} {one.p:9.4g} {last}"
        )
    return lines


def _numbers(members: dict[str, object]) -> dict[str, object]:
    """With what is not a number as null, for JSON has none."""
    finite: dict[str, object] = json.loads(json.dumps(members), parse_constant=lambda constant: None)
    return finite


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
    return _numbers(members)


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
