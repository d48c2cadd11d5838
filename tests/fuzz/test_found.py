"""What fuzzing found once is answered properly ever after, and the fuzzer itself runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris is not here: it has wheels for Linux alone")

FOUND = sorted((Path(__file__).parent / "found").glob("*"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_a_find_is_answered_or_refused(path: Path) -> None:
    from tests.fuzz.images import try_everything

    try_everything(path.read_bytes())


def test_the_fuzzer_runs_and_finds_nothing_in_seconds() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.fuzz.images", "--seconds", "5"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert executed
    assert int(executed[1]) > 50
