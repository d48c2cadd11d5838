"""An explanation in a line: for people, and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from cxrshift_api.types import Explanation


@dataclass(frozen=True)
class Summary:
    """One explanation in a line."""

    finding: str
    score: float
    """On the radiograph itself."""
    operating_point: float
    lambda_min: float
    lambda_max: float
    drop: float
    rise: float
    stop_below: str
    stop_above: str
    warnings: tuple[str, ...]
    folder: str


def summarise(explanation: Explanation, folder: Path) -> Summary:
    """The line of an explanation whose pictures are in ``folder``."""
    own = explanation.findings.index(explanation.finding)
    return Summary(
        finding=explanation.finding,
        score=round(float(explanation.radiograph_scores[own]), 6),
        operating_point=explanation.operating_point,
        lambda_min=float(explanation.lambdas[0]),
        lambda_max=float(explanation.lambdas[-1]),
        drop=round(explanation.quality.drop, 6),
        rise=round(explanation.quality.rise, 6),
        stop_below=explanation.below.stop,
        stop_above=explanation.above.stop,
        warnings=explanation.quality.warnings,
        folder=str(folder),
    )


def say_summary(file: Path, summary: Summary) -> Text:
    """The line for people."""
    from ..render.canvas import say_lambda

    present = summary.score >= summary.operating_point
    reach = f"λ {say_lambda(summary.lambda_min)} … {say_lambda(summary.lambda_max)}"
    line = Text(f"{file}  ")
    line.append(f"{summary.finding} {summary.score:.2f}", "bold" if present else "")
    line.append(f"  {reach}  drop {summary.drop:.2f}  rise {summary.rise:.2f}  → {summary.folder}")
    if summary.warnings:
        line.append(f"  warnings: {len(summary.warnings)}", "yellow")
    return line
