"""The command ``cxrshift``. Its start imports neither numpy nor torch: what a command needs, it imports itself."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command of ``sys.argv`` and exit with its code (``exits`` lists them)."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if sys.argv[1:2] == ["doctor"]:  # which tells just this
            from ..doctor.plain import run_plain
            from .askers import open_client_briefly

            sys.exit(run_plain(sys.argv[2:], open_client_briefly))
        sys.exit(f"The command needs {error.name}, which is not part of the client: pip install 'cxrshift[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name need not be text, nor a terminal know λ
    app()
