"""The service that the pages speak of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """What ``cxrshift serve`` serves."""
    with Stack(StackConfig(models=(find_model("cxr-small"),))) as running:
        yield running
