"""Every block of every page, without running it: its language, its marks, and whatever it names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.docs.blocks import APART, IN_BACKGROUND, IN_SMALL, ROOT, RUNNABLE, Block, all_blocks, pages
from tests.docs.in_small import SMALLER
from tests.docs.readings import READERS, assert_variable
from tests.docs.shell import ClickException, check_cxrshift, check_script, make_targets

BLOCKS: Final = all_blocks()
REASONS: Final = {
    r"\S+\.py runs it": 7,
    r"needs docker": 2,
    r"needs a cluster": 1,
    r"needs the published files": 1,
    r"the service of these tests stands for it": 1,
}
"""Why a block may stay unrun, each a thing that an ordinary machine lacks in a quick test; and how many there are."""


def test_there_are_blocks_in_the_readme_and_in_the_docs() -> None:
    assert {block.page.name for block in BLOCKS} >= {"README.md", "quick-start.md", "api.md", "client.md"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_is_in_a_language_that_is_run_or_read_and_its_marks_are_true(block: Block, tmp_path: Path) -> None:
    assert block.language in (*RUNNABLE, *READERS), (
        f"{block.place}: say its language, one of {RUNNABLE + tuple(READERS)}"
    )
    runs = block.marks.get("runs")
    if runs is not None:
        assert block.language in RUNNABLE, f"{block.place}: nothing runs {block.language}"
        is_known = block.ways and {*block.ways} <= {*APART, IN_BACKGROUND}
        assert is_known or any(re.fullmatch(f"no; {reason}", runs) for reason in REASONS), (
            f"{block.place}: {runs!r} is no way to run, and no reason of {tuple(REASONS)}"
        )
    if (by := block.why_not.removesuffix(" runs it")) != block.why_not:
        assert (ROOT / by).is_file(), f"{block.place}: there is no {by}"
    if block.language in READERS:
        READERS[block.language](block, tmp_path)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "sh"], ids=lambda block: block.place)
def test_a_shell_block_names_commands_options_targets_and_files_that_exist(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    check_script(block.text)


@pytest.mark.parametrize("reason", REASONS)
def test_few_blocks_stay_unrun(reason: str) -> None:
    unrun = [block for block in BLOCKS if block.language in RUNNABLE and re.fullmatch(reason, block.why_not)]
    assert len(unrun) <= REASONS[reason], "\n".join(f"{block.place}: {block.why_not}" for block in unrun)


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in SMALLER])
def test_what_makes_long_blocks_smaller_is_found_in_one(pattern: str) -> None:
    assert any(re.search(pattern, block.text) for block in BLOCKS if IN_SMALL in block.ways)


@pytest.mark.parametrize("document", pages(), ids=lambda document: document.name)
def test_what_a_page_mentions_in_running_text_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    for name in set(re.findall(r"CXRSHIFT_[A-Z_]*[A-Z]", text)):
        assert_variable(name)
    for mentioned in set(re.findall(r"`(cxrshift [a-z][^`]*|make [a-z][^`]*)`", text.replace("\n", " "))):
        program, *words = mentioned.split()
        if program == "cxrshift":
            check_cxrshift(words, whole=False)
        else:
            assert words[0] in make_targets(), mentioned


@pytest.mark.parametrize(
    "wrong",
    [
        "cxrshift explian chest.dcm",
        "cxrshift explain chest.dcm --fnding Effusion",
        "cxrshift explain chest.dcm --profile three-sided",
        "cxrshift explain",
        "cxrshift models import",
        "make tset",
        "python -m benchmarks.loud",
        "python tools/method_fgure.py out.webp",
        "python -m benchmarks.load --saok 3",
        "docker build --target tpu .",
        "docker compose -f compose.tsl.yaml up",
        "kubectl apply -k k8s/overlays/tpu",
        "pip install 'cxrshift[bidge]'",
        "crul -s 127.0.0.1:8000/v1/models | cat",
    ],
)
def test_a_slip_of_the_pen_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, ClickException)):
        check_script(wrong)
