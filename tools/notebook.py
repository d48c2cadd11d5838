"""Run a notebook from its first cell to its last, and keep what it shows.

``python tools/notebook.py NOTEBOOK``: the notebook's stored pictures and words become those of this run. It runs in a
temporary folder, where the files that it writes are left behind.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

SECONDS = 120
"""The longest that one cell may take."""


def read_notebook(file: Path) -> NotebookNode:
    """The notebook, checked against its schema. Raises nbformat's errors, or OSError."""
    notebook: NotebookNode = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def run_notebook(notebook: NotebookNode, folder: Path) -> None:
    """Run ``notebook`` in ``folder``; its outputs become this run's. Raises CellExecutionError where a cell fails."""
    quiet = ["--log-level=ERROR"]  # the kernel's own log, which warns that it listens on loopback
    about = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=SECONDS, resources=about, record_timing=False, extra_arguments=quiet)
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}  # the version of this machine's says nothing


def main(arguments: list[str]) -> int:
    """Run the notebook that is named and write it back."""
    file = Path(arguments[0])
    notebook = read_notebook(file)
    with tempfile.TemporaryDirectory() as folder:
        # What was measured on this machine must not decide in which runtime the models run.
        os.environ["CXRSHIFT_EXPORT_CACHE"] = str(Path(folder) / "exports")
        run_notebook(notebook, Path(folder))
    nbformat.write(notebook, file)  # type: ignore[no-untyped-call]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
