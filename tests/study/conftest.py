"""A study that is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.study.visitors import Visitor, browsing


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with browsing(tmp_path) as one:
        yield one
