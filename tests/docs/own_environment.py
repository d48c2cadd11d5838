"""A Python environment with nothing in it, whose pip finds this project's wheel as if a package index had it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.docs.blocks import ROOT


def build_wheel(folder: Path) -> None:
    """This project's wheel, in ``folder``."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def make_environment(folder: Path, wheels: Path) -> dict[str, str]:
    """Make one in ``folder``. The variables under which its programs are found, and those of the tests' own are not."""
    venv.create(folder, with_pip=True)
    ours = str(Path(sys.executable).parent)
    others = [each for each in os.environ["PATH"].split(os.pathsep) if each != ours]
    variables = {
        "PATH": os.pathsep.join([str(folder / "bin"), *others]),
        "PIP_FIND_LINKS": " ".join(filter(None, (str(wheels), os.environ.get("PIP_FIND_LINKS")))),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    # Workplace has a home of its own, where pip would not find what this machine's index is.
    settings = Path.home() / ".config/pip/pip.conf"
    return variables | ({"PIP_CONFIG_FILE": str(settings)} if settings.exists() else {})
