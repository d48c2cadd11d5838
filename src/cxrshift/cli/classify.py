"""``cxrshift classify``: every finding's score on each radiograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from .console import Screen
from .examples import epilog
from .exits import ExitCode, errors_told
from .options import DEFAULT_SERVER, AsJson, Files, InFlight, Local, ModelName, Seconds, Server

if TYPE_CHECKING:
    from cxrshift_api.types import ClassifyReply

    from .askers import Asker
    from .work import Done

EPILOG = epilog(
    "cxrshift classify chest.dcm",
    "cxrshift classify study_folder/*.png --local --model phantom",
    "cxrshift classify chest.dcm --json",
    notes="A score is in 0 to 1; in bold where it reaches the finding's operating point.",
)


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
        from .work import gather

        files = list(gather(files, screen))
        waiting = screen.waiting("loading the model" if local else f"asking {server}")
        with waiting as come, open_asker(server, model, local=local, timeout=timeout) as asker:
            come()
            failures = classify_files(asker, files, in_flight=in_flight, screen=screen)
    if failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def classify_files(asker: Asker, files: Sequence[Path], *, in_flight: int, screen: Screen) -> int:
    """Classify every file and tell the scores; how many files failed. Raises UnreachableError."""
    from .work import OF_THE_QUESTION, work_and_tell

    def classify_one(position: int, file: Path) -> ClassifyReply:
        return asker.classify(file)

    def tell(where: Mapping[str, object], done: Done[ClassifyReply]) -> None:
        reply = done.result
        scores = [asdict(score) for score in reply.scores]
        screen.tell({**where, "model": reply.model, "version": reply.model_version, "scores": scores})
        screen.say(_line(done.file, reply))

    return work_and_tell(
        files, classify_one, tell, what="classifying", in_flight=in_flight, screen=screen, ends_at=OF_THE_QUESTION
    )


def _line(file: Path, reply: ClassifyReply) -> Text:
    line = Text(f"{file} ")
    trained = [score for score in reply.scores if score.trained]
    for score in sorted(trained, key=lambda score: score.score, reverse=True):
        line.append(f"  {score.finding} {score.score:.2f}", "bold" if score.score >= score.operating_point else "dim")
    return line
