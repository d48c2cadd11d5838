"""``cxrshift classify``: every finding's score on each radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from .console import Screen
from .exits import EXIT_CODES, ExitCode, errors_told
from .options import DEFAULT_SERVER, AsJson, Files, InFlight, Local, ModelName, Seconds, Server

if TYPE_CHECKING:
    from cxrshift_api.types import ClassifyReply

    from .askers import Asker

EPILOG = f"""
[bold]Examples[/bold]

cxrshift classify chest.dcm

cxrshift classify study/*.png --local --model phantom --json

A score is in 0 to 1; in bold where it reaches the finding's operating point.

{EXIT_CODES}
"""


def classify(
    files: Files,
    server: Server = DEFAULT_SERVER,
    local: Local = False,
    model: ModelName = "",
    timeout: Seconds = 60.0,
    in_flight: InFlight = 4,
    as_json: AsJson = False,
) -> None:
    """Score radiographs, without explaining them: one line for each file, the highest score first."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from .askers import open_asker

        with open_asker(server, model, local=local, timeout=timeout) as asker:
            failures = classify_files(asker, files, in_flight=in_flight, screen=screen)
    if failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def classify_files(asker: Asker, files: Sequence[Path], *, in_flight: int, screen: Screen) -> int:
    """Classify every file and tell the scores; how many files failed. Raises UnreachableError."""
    from .work import Done, work_through

    def classify_one(position: int, file: Path) -> ClassifyReply:
        return asker.classify(file)

    failures = 0
    with screen.progress("classifying", len(files)) as bar:
        for outcome in work_through(files, classify_one, in_flight=in_flight):
            where: dict[str, object] = {"position": outcome.position, "file": str(outcome.file)}
            if isinstance(outcome, Done):
                reply = outcome.result
                scores = [asdict(score) for score in reply.scores]
                screen.tell({**where, "model": reply.model, "version": reply.model_version, "scores": scores})
                screen.say(_line(outcome.file, reply))
            else:
                failures += 1
                screen.tell({**where, "problem": {"code": outcome.code, "message": outcome.message}})
                screen.fail(
                    f"file {outcome.position} of {len(files)}, {outcome.file}: {outcome.code}: {outcome.message}"
                )
            bar.step()
    return failures


def _line(file: Path, reply: ClassifyReply) -> Text:
    line = Text(f"{file} ")
    trained = [score for score in reply.scores if score.trained]
    for score in sorted(trained, key=lambda score: score.score, reverse=True):
        line.append(f"  {score.finding} {score.score:.2f}", "bold" if score.score >= score.operating_point else "dim")
    return line
