"""The pages' blocks that take minutes or hours, each in a smaller size: ``make test-docs``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cxrshift.serving.stack import Stack
from tests.docs.blocks import ROOT, blocks_of, pages
from tests.docs.in_small import in_small, lay_out_data
from tests.docs.workplace import Workplace

SECONDS = 900.0
"""That a block may take, even in small: exporting large networks takes minutes."""


@pytest.mark.minutes
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "document",
    [page for page in pages() if any(block.is_run_in_small for block in blocks_of(page))],
    ids=lambda document: str(document.relative_to(ROOT)),
)
def test_the_long_blocks_of_a_page_run_in_small(document: Path, stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    with Workplace(folder, stack, variables=lay_out_data(folder), seconds=SECONDS) as place:
        for block in blocks_of(document):
            if block.is_run_in_small:
                place.run(dataclasses.replace(block, text=in_small(block.text)))
