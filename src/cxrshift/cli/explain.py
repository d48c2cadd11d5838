"""``cxrshift explain``: radiographs in, pictures and numbers on disk out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from .completion import complete_findings
from .console import Screen
from .examples import epilog
from .exits import ExitCode, errors_told
from .options import (
    DEFAULT_SERVER,
    AsJson,
    Files,
    HeatmapName,
    InFlight,
    Local,
    ModelName,
    ProfileName,
    SaliencyName,
    Seconds,
    Server,
)
from .summaries import Summary, say_summary, summarise

if TYPE_CHECKING:
    from cxrshift_api.types import Explanation
    from cxrshift_client.request import Choices

    from .askers import Asker
    from .dicom_files import ObjectWriter
    from .work import Done

EPILOG = epilog(
    "cxrshift explain chest.dcm --finding Effusion",
    "cxrshift explain study_folder/ --out out --server http://explainer.example:8000",
    "cxrshift explain chest.png --local --profile fixed --lambda-min -8 --lambda-max 8",
    "cxrshift explain chest.dcm --saliency input-gradient --saliency integrated-gradients",
    "cxrshift explain chest.dcm --dicom objects",
    "cxrshift explain chest.dcm --json",
    notes="For each file and finding, DIR/FILE/FINDING holds frames.gif, frames.webp, overlay.png, curve.png and "
    "explanation.json, with --saliency also KIND.png and sheet.png, with --mp4 also frames.mp4. With --dicom, "
    "OBJECTS/FILE/FINDING holds stack.dcm, overlay.dcm and report.dcm, in the radiograph's own study. Images are "
    "synthetic and not for diagnosis.",
)
_SEARCH = "How far the shift goes"


def explain(
    files: Files,
    finding: Annotated[
        list[str] | None,
        typer.Option(
            "--finding",
            "-f",
            metavar="FINDING",
            help="A finding to explain; may be given several times.",
            autocompletion=complete_findings,
            show_default="every finding at or above its operating point, else the highest",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where results go; made if it is not there.")
    ] = Path("out"),
    profile: Annotated[
        ProfileName, typer.Option(help="How the range of the shift λ is found.", rich_help_panel=_SEARCH)
    ] = "two-sided",
    frames: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=101,
            metavar="N",
            help="Pictures along the shift, 2 to 101.",
            show_default="10 or 11, by profile",
        ),
    ] = None,
    heatmap: Annotated[HeatmapName, typer.Option(help="How the pictures become one map of change.")] = "max",
    lambda_min: Annotated[
        float | None,
        typer.Option(
            metavar="λ",
            max=0.0,
            help="With --profile fixed: the most negative shift, at most 0, in the model's own unit.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    lambda_max: Annotated[
        float | None,
        typer.Option(
            metavar="λ",
            min=0.0,
            help="With --profile fixed: the most positive shift, at least 0, in the model's own unit.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    target_change: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            min=0.0,
            max=1.0,
            help="With --profile two-sided: stop where the score has changed by this much, above 0, at most 1.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    pixel_change: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="With --profile two-sided: stop where this share of the brightness has changed, above 0, at most 1.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    saliency: Annotated[
        list[SaliencyName] | None,
        typer.Option(
            metavar="KIND",
            help="A traditional map to add for comparison, as KIND.png and in sheet.png: "
            f"{', '.join(SaliencyName)}; may be given several times.",
            show_default="none",
        ),
    ] = None,
    source_frame: Annotated[
        int, typer.Option(metavar="N", min=1, help="Which frame of a DICOM file with several is explained.")
    ] = 1,
    least_frames: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=101,
            metavar="N",
            help="Where --timeout is too near for --frames, make fewer, but no fewer than these.",
            show_default="as many as were asked for",
        ),
    ] = None,
    npz: Annotated[bool, typer.Option("--npz", help="Also write explanation.npz: every array, for NumPy.")] = False,
    mp4: Annotated[bool, typer.Option("--mp4", help="Also write frames.mp4: the frames as a video.")] = False,
    dicom: Annotated[
        Path | None,
        typer.Option(
            "--dicom",
            metavar="OBJECTS",
            help="Also write DICOM objects into this folder: the frames, the overlay, a report. For DICOM files alone.",
            show_default=False,
        ),
    ] = None,
    segmentation: Annotated[
        bool, typer.Option("--segmentation", help="With --dicom: also segmentation.dcm, the thresholded heatmap.")
    ] = False,
    server: Server = DEFAULT_SERVER,
    local: Local = False,
    model: ModelName = "",
    timeout: Seconds = 120.0,
    in_flight: InFlight = 4,
    as_json: AsJson = False,
) -> None:
    """Explain radiographs: shift each along the latent gradient of a finding, and write what changes.

    One line for each explanation says the score, how far the shift went and how far the score moved.
    """
    screen = Screen(as_json=as_json)
    choices: Choices = {
        "findings": tuple(finding or ()),
        "profile": profile,
        "frames": frames,
        "heatmap": heatmap,
        "lambda_min": lambda_min,
        "lambda_max": lambda_max,
        "target_change": target_change,
        "pixel_change": pixel_change,
        "saliency": tuple(saliency or ()),
        "source_frame": source_frame,
        "least_frames": least_frames,
    }
    with errors_told(screen), _findings_named(finding or []):
        check_search(choices)
        from ..render.video import require_video
        from .askers import open_asker
        from .dicom_files import ObjectWriter
        from .files import write_explanation
        from .work import gather

        if mp4:
            require_video()
        files = list(gather(files, screen))
        write = partial(write_explanation, npz=npz, mp4=mp4)
        objects = None if dicom is None else ObjectWriter(dicom, segmentation=segmentation)
        waiting = screen.waiting("loading the model" if local else f"asking {server}")
        with waiting as come, open_asker(server, model, local=local, timeout=timeout) as asker:
            come()
            out.mkdir(parents=True, exist_ok=True)  # now, rather than after the first explanation
            failures = explain_files(
                asker, files, choices, out, write=write, objects=objects, in_flight=in_flight, screen=screen
            )
    if failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


@contextmanager
def _findings_named(findings: Sequence[str]) -> Iterator[None]:
    """A service never repeats a word that it does not know, for logs are kept; here nobody else listens."""
    from cxrshift_api.types import Problem, ProblemCode
    from cxrshift_client.errors import RequestError

    try:
        yield
    except RequestError as error:
        if error.problem.code is not ProblemCode.UNKNOWN_FINDING:
            raise
        message = f"{error.problem.message} Asked for: {', '.join(findings)}."
        raise RequestError(Problem(error.problem.code, message), error.request_id) from error


def check_search(choices: Choices) -> None:
    """Refuse options that do not go together, before anything is asked. Raises typer.BadParameter."""
    profile = choices["profile"]
    if profile != "fixed" and (choices["lambda_min"] is not None or choices["lambda_max"] is not None):
        raise typer.BadParameter("--lambda-min and --lambda-max go with --profile fixed.")
    if profile == "fixed" and not (choices["lambda_min"] or choices["lambda_max"]):
        raise typer.BadParameter("--profile fixed needs --lambda-min below 0, --lambda-max above 0, or both.")
    if profile != "two-sided" and (choices["target_change"] is not None or choices["pixel_change"] is not None):
        raise typer.BadParameter("--target-change and --pixel-change go with --profile two-sided.")


def explain_files(
    asker: Asker,
    files: Sequence[Path],
    choices: Choices,
    out: Path,
    *,
    write: Callable[[Explanation, Path], object],
    objects: ObjectWriter | None = None,
    in_flight: int,
    screen: Screen,
) -> int:
    """Explain every file, ``write`` each explanation into its folder, ``objects`` into theirs, and tell.

    How many files failed. Raises UnreachableError.
    """
    from .files import name_folders, name_of_finding
    from .work import OF_THE_QUESTION, work_and_tell

    names = name_folders(files)

    def explain_one(position: int, file: Path) -> tuple[Summary, ...]:
        summaries = []
        if objects:
            objects.check(file)
        reply = asker.explain(file, choices)
        if objects:
            objects.write(file, names[position - 1], reply.explanations)
        for explanation in reply.explanations:
            folder = out / names[position - 1] / name_of_finding(explanation.finding)
            write(explanation, folder)
            summaries.append(summarise(explanation, folder))
        return tuple(summaries)

    def tell(where: Mapping[str, object], done: Done[tuple[Summary, ...]]) -> None:
        screen.tell({**where, "explanations": [asdict(summary) for summary in done.result]})
        for summary in done.result:
            screen.say(say_summary(done.file, summary))
            for warning in summary.warnings if len(files) == 1 else ():
                screen.say(Text(f"  {warning}", "yellow"))

    return work_and_tell(
        files, explain_one, tell, what="explaining", in_flight=in_flight, screen=screen, ends_at=OF_THE_QUESTION
    )
