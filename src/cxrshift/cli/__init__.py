"""The command ``cxrshift``. Its start imports neither numpy nor torch: what a command needs, it imports itself."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command of ``sys.argv`` and exit with its code (``exits`` lists them)."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        sys.exit(f"The command needs {error.name}, which is not part of the client: pip install 'cxrshift[cli]'")
    app()
