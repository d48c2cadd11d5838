"""Each page's blocks run as they stand, in order, in one folder beside a running service."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrshift.serving.stack import Stack
from tests.docs.blocks import ROOT, blocks_of, pages
from tests.docs.workplace import Workplace


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "document",
    [page for page in pages() if any(block.is_run for block in blocks_of(page))],
    ids=lambda document: str(document.relative_to(ROOT)),
)
def test_the_blocks_of_a_page_run_in_order(document: Path, stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    with Workplace(folder, stack) as place:
        for block in blocks_of(document):
            if not block.is_run_in_small:
                place.run(block)
