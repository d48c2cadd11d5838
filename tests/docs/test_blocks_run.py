"""Each page's blocks run in order, in one folder beside a running service.

Most run as they stand; those that speak to an archive, that install something or that take long, in tests of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig
from tests.docs.blocks import APART, IN_OWN_ENVIRONMENT, IN_SMALL, ROOT, WITH_ARCHIVE, Block, blocks_of, pages
from tests.docs.in_small import in_small, lay_out_data
from tests.docs.own_environment import build_wheel, make_environment
from tests.docs.workplace import CHEST, Workplace
from tests.orthanc import Orthanc

LONG_SECONDS = 900.0
"""That a long block may take, even in small: exporting large networks takes minutes."""
ARCHIVE, STUDY = "http://archive.example:8042/dicom-web", "1.2.840.113619.2.1"
"""As the pages have them."""


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


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this project's wheel."""
    folder = tmp_path_factory.mktemp("wheels")
    build_wheel(folder)
    return folder


def each_page(holds: Callable[[Block], bool]) -> pytest.MarkDecorator:
    """A test's ``document``: every page with such a block."""
    documents = [page for page in pages() if any(map(holds, blocks_of(page)))]
    return pytest.mark.parametrize("document", documents, ids=lambda document: str(document.relative_to(ROOT)))


@pytest.mark.timeout(900)
@each_page(lambda block: block.is_run)
def test_the_blocks_of_a_page_run_in_order(document: Path, stack: Stack, folder: Path) -> None:
    with Workplace(folder, stack) as place:
        for block in blocks_of(document):
            if APART.isdisjoint(block.ways):
                place.run(block)


@pytest.mark.timeout(900)
@each_page(lambda block: WITH_ARCHIVE in block.ways)
def test_what_a_page_sends_to_an_archive_arrives_and_comes_back(
    document: Path, stack: Stack, folder: Path, tmp_path: Path
) -> None:
    with Orthanc(tmp_path / "archive") as archive:
        stand_ins = {ARCHIVE: archive.dicom_web, STUDY: f"1.2.{CHEST}.1"}
        with Workplace(folder, stack, stand_ins=stand_ins) as place:
            for block in blocks_of(document):
                if WITH_ARCHIVE in block.ways:
                    place.run(block)
    [fetched] = (folder / "study").glob("*.dcm")
    assert dcmread(fetched) == dcmread(folder / "chest.dcm")


@pytest.mark.minutes
@pytest.mark.timeout(1800)
@each_page(lambda block: IN_OWN_ENVIRONMENT in block.ways)
def test_what_a_page_installs_is_enough_for_the_page(
    document: Path, stack: Stack, folder: Path, tmp_path: Path, wheels: Path
) -> None:
    variables = make_environment(tmp_path / "own", wheels)
    with Workplace(folder, stack, variables=variables, seconds=LONG_SECONDS) as place:
        for block in blocks_of(document):
            if {IN_SMALL, WITH_ARCHIVE}.isdisjoint(block.ways) and "--local" not in block.text:  # needs the engine
                place.run(block)
    assert not list((tmp_path / "own").glob("lib/*/site-packages/torch*"))


@pytest.mark.minutes
@pytest.mark.timeout(3600)
@each_page(lambda block: IN_SMALL in block.ways)
def test_the_long_blocks_of_a_page_run_in_small(document: Path, stack: Stack, folder: Path) -> None:
    with Workplace(folder, stack, variables=lay_out_data(folder), seconds=LONG_SECONDS) as place:
        for block in blocks_of(document):
            if IN_SMALL in block.ways:
                place.run(dataclasses.replace(block, text=in_small(block.text)))
