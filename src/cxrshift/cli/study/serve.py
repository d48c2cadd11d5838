"""``cxrshift study serve``: the study's pages, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from ..console import Screen
from ..exits import errors_told
from ..options import AsJsonEvents
from .options import StudyFile

EPILOG = """
[bold]Examples[/bold]

cxrshift study serve study.sqlite

cxrshift study serve study.sqlite --host 0.0.0.0 --tls-certificate study.pem --tls-key study.key

Readers open the address that is printed; an administrator opens /admin there. SIGTERM or Ctrl-C stops it; every \
answer was on the disk before its reader saw the next case.

Exit codes: 0 stopped on request, 1 the port is taken, 2 wrong option or no study.
"""


def serve(
    study: StudyFile,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 = on every network.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0 chooses a free one.")] = 8010,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM certificate, with --tls-key.", show_default=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its PEM key.", show_default=False)] = None,
    as_json: AsJsonEvents = False,
) -> None:
    """Serve a study to its readers' browsers; prints "ready: ..." once they can come."""
    screen = Screen(as_json=as_json)
    with errors_told(screen):
        from ...study.database import Database
        from ...study.people import list_people
        from ...study.server import StudyAddress, StudyServer
        from ...telemetry import configure_logging

        if (tls_certificate is None) != (tls_key is None):
            raise typer.BadParameter("--tls-certificate and --tls-key go together.")
        configure_logging("INFO", stream=sys.stderr)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Database(study) as database:
            if all(person.revoked for person in list_people(database)):
                screen.note("Nobody has a code yet: cxrshift study readers add.")
            with StudyServer(database, StudyAddress(host, port, tls_certificate, tls_key)) as server:
                if server.is_exposed:
                    screen.note("Codes and answers cross the network in the clear; --tls-certificate mends that.")
                screen.tell({"event": "ready", "url": server.url})
                screen.say(f"ready: {server.url}")
                stop.wait()
