"""``cxrshift pacs``: the bridge to an archive, and errands to one."""

from __future__ import annotations

import signal
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from .console import Screen
from .examples import epilog
from .exits import ExitCode, Trouble, errors_told
from .options import AsJson, AsJsonDocument, AsJsonEvents

if TYPE_CHECKING:
    from ..pacs.bridge.bridge import Bridge
    from ..pacs.bridge.spool_records import Job
    from ..pacs.bridge.spool_view import Overview

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Take radiographs from a PACS and give explanations back to it.",
    epilog=epilog("cxrshift pacs serve bridge.toml", "cxrshift pacs status bridge.toml"),
)

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The bridge's TOML file; docs/pacs.md has one to start from.")
]

SERVE_EPILOG = epilog(
    "cxrshift pacs serve bridge.toml",
    "cxrshift pacs serve bridge.toml --json",
    notes="SIGTERM or Ctrl-C lets what was begun finish, then stops; what is not finished is done after the next "
    "start. The log goes to standard output, a line of JSON for each event.",
    exits="Exit codes: 0 stopped on request, 1 a port is taken or the spool cannot be used, 2 the file is wrong.",
)
STATUS_EPILOG = epilog(
    "cxrshift pacs status bridge.toml",
    "cxrshift pacs status bridge.toml --json",
    exits="Exit codes: 0 no dead letters, 1 there are some, 2 the file is wrong or there is no spool.",
)
RETRY_EPILOG = epilog(
    "cxrshift pacs retry bridge.toml",
    "cxrshift pacs retry bridge.toml 3fa9c1",
    notes="Without a name every dead letter, with one the one whose name begins so.",
    exits="Exit codes: 0 put back, 1 there is none that could be, 2 the file is wrong or there is no spool.",
)
SEND_EPILOG = epilog(
    "cxrshift pacs send chest.dcm --to 127.0.0.1:11112 --called CXRSHIFT",
    "cxrshift pacs send *.dcm --to http://archive.example:8042/dicom-web",
    exits="Exit codes: 0 all stored, 1 some were not, 2 wrong option.",
)
FETCH_EPILOG = epilog(
    "cxrshift pacs fetch http://archive.example:8042/dicom-web 1.2.840.113619.2.1 --out study",
    exits="Exit codes: 0 fetched, 1 a file cannot be written, 2 wrong option, or the archive does not have the study.",
)


@app.command(epilog=SERVE_EPILOG)
def serve(config: Config, as_json: AsJsonEvents = False) -> None:
    """Receive radiographs, have them explained, and store the results in their study, until told to stop."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..pacs.bridge.bridge import Bridge
        from ..pacs.bridge.settings import load_settings
        from ..telemetry import configure_logging

        settings = load_settings(config)
        configure_logging(settings.log_level)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Bridge(settings) as bridge:
            ways = _ways(bridge)
            screen.tell({"event": "ready", **dict(ways)})
            screen.say(f"ready: {', '.join(f'{name} {where}' for name, where in ways)}")
            stop.wait()


@app.command(epilog=STATUS_EPILOG)
def status(config: Config, as_json: AsJsonDocument = False) -> None:
    """Show what stands in the spool, whether the bridge runs or not."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..pacs.bridge.settings import load_settings
        from ..pacs.bridge.spool_records import State
        from ..pacs.bridge.spool_view import look_into

        overview = look_into(load_settings(config).spool.folder)
        screen.tell(_to_json(overview))
        for line in _say_overview(overview):
            screen.say(line)
        dead = overview.counts[State.DEAD]
    raise typer.Exit(ExitCode.SOME_FAILED if dead else ExitCode.DONE)


@app.command(epilog=RETRY_EPILOG)
def retry(
    config: Config,
    name: Annotated[str, typer.Argument(metavar="NAME", help="How the dead letter's name begins; none = all.")] = "",
    as_json: AsJsonDocument = False,
) -> None:
    """Let dead letters be explained again."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..pacs.bridge.settings import load_settings
        from ..pacs.bridge.spool_view import revive

        count = revive(load_settings(config).spool.folder, name)
        screen.tell({"put_back": count})
        screen.say(f"{count} put back" if count else "no dead letter of that name can be put back")
    raise typer.Exit(ExitCode.DONE if count else ExitCode.SOME_FAILED)


@app.command(epilog=SEND_EPILOG)
def send(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="DICOM files.")],
    to: Annotated[str, typer.Option(metavar="HOST:PORT|URL", help="Where C-STORE or STOW-RS goes.")],
    called: Annotated[str, typer.Option(metavar="AE", help="AE title of the other side, for C-STORE.")] = "ANY-SCP",
    calling: Annotated[str, typer.Option(metavar="AE", help="Our own AE title, for C-STORE.")] = "CXRSHIFT",
    as_json: AsJson = False,
) -> None:
    """Send DICOM files to an archive or to a bridge."""
    screen = Screen(as_json=as_json)
    failed = 0
    with errors_told(screen):
        from ..pacs.bridge.exchange import send_files
        from ..pacs.bridge.settings import make_destination

        destination = make_destination(to, called=called, calling=calling)
        with screen.progress("sending", len(files)) as bar:
            for sent in send_files(files, destination):
                bar.step()
                if sent.problem:
                    failed += 1
                    problem = {"code": Trouble.NOT_STORED, "message": sent.problem}
                    screen.tell({"file": str(sent.path), "problem": problem})
                    screen.fail(f"{sent.path}: {sent.problem}")
                else:
                    screen.tell({"file": str(sent.path), "stored": True})
                    screen.say(f"{sent.path}: stored")
    raise typer.Exit(ExitCode.SOME_FAILED if failed else ExitCode.DONE)


@app.command(epilog=FETCH_EPILOG)
def fetch(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the archive's DICOMweb service.")],
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the files go.")] = Path("study"),
    as_json: AsJsonDocument = False,
) -> None:
    """Fetch every object of a study by WADO-RS."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ..pacs.bridge.exchange import fetch_study

        with screen.progress("fetching", None) as bar:
            paths = fetch_study(url, study, out, progress=lambda count: bar.set(count, None))
        screen.tell({"study": study, "files": [str(path) for path in paths]})
        for path in paths:
            screen.say(str(path))


def _ways(bridge: Bridge) -> list[tuple[str, str]]:
    """How it is reached: the name of each way, and its address."""
    settings, ways = bridge.settings, []
    if bridge.scp and settings.scp:
        ways.append(("DIMSE", f"{settings.scp.ae_title} at {settings.scp.host}:{bridge.scp.port}"))
    if bridge.stow and settings.stow:
        scheme = "https" if settings.stow.tls else "http"
        ways.append(("STOW", f"{scheme}://{settings.stow.host}:{bridge.stow.port}/dicom-web"))
    return [*ways, ("metrics", f"http://{settings.metrics.host}:{bridge.metrics_port}/metrics")]


def _say_overview(overview: Overview) -> list[Text]:
    counts = overview.counts
    lines = [Text("  ".join(f"{state} {count}" for state, count in counts.items()), "bold")]
    if overview.oldest_at is not None:
        lines.append(Text(f"the oldest has waited for {_say_seconds(time.time() - overview.oldest_at)}"))
    lines += [Text(f"{name}: {count} not delivered yet") for name, count in overview.undelivered.items()]
    lines += [Text(_say_trouble(job), "red" if job.state == "dead" else "yellow") for job in overview.troubled]
    return lines


def _say_trouble(job: Job) -> str:
    received = datetime.fromtimestamp(job.received_at).astimezone()
    tries = f", {job.attempts} failed" if job.attempts else ""
    return f"{job.digest[:12]}  {job.state:9}  {received:%Y-%m-%d %H:%M}{tries}  {job.reason}"


def _say_seconds(seconds: float) -> str:
    for name, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0.0):.0f} seconds"


def _to_json(overview: Overview) -> dict[str, object]:
    jobs = [
        {"name": j.digest, "state": j.state, "reason": j.reason, "received_at": j.received_at, "failed": j.attempts}
        for j in overview.troubled
    ]
    return {
        "counts": dict(overview.counts),
        "undelivered": overview.undelivered,
        "oldest_at": overview.oldest_at,
        "troubled": jobs,
    }
