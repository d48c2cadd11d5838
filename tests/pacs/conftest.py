"""A real archive for the tests of this package."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orthanc import Orthanc


@pytest.fixture(scope="session")
def one_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture
def orthanc(one_orthanc: Orthanc) -> Orthanc:
    """An empty archive."""
    one_orthanc.forget_all()
    return one_orthanc
