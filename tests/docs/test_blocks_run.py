"""Each page's blocks run in order, in one folder beside a running service: as they stand, or the long ones in small."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig
from tests.docs.blocks import ROOT, Block, blocks_of, pages
from tests.docs.in_small import in_small, lay_out_data
from tests.docs.workplace import Workplace

LONG_SECONDS = 900.0
"""That a long block may take, even in small: exporting large networks takes minutes."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """What ``cxrshift serve`` serves."""
    with Stack(StackConfig(models=(find_model("cxr-small"),))) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reader's own."""
    made = tmp_path / "reader"
    made.mkdir()
    return made


def each_page(holds: Callable[[Block], bool]) -> pytest.MarkDecorator:
    """A test's ``document``: every page with such a block."""
    documents = [page for page in pages() if any(map(holds, blocks_of(page)))]
    return pytest.mark.parametrize("document", documents, ids=lambda document: str(document.relative_to(ROOT)))


@pytest.mark.timeout(900)
@each_page(lambda block: block.is_run)
def test_the_blocks_of_a_page_run_in_order(document: Path, stack: Stack, folder: Path) -> None:
    with Workplace(folder, stack) as place:
        for block in blocks_of(document):
            if not block.is_run_in_small:
                place.run(block)


@pytest.mark.minutes
@pytest.mark.timeout(3600)
@each_page(lambda block: block.is_run_in_small)
def test_the_long_blocks_of_a_page_run_in_small(document: Path, stack: Stack, folder: Path) -> None:
    with Workplace(folder, stack, variables=lay_out_data(folder), seconds=LONG_SECONDS) as place:
        for block in filter(lambda block: block.is_run_in_small, blocks_of(document)):
            place.run(dataclasses.replace(block, text=in_small(block.text)))
