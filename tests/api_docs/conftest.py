"""What the tests of this folder share."""

from __future__ import annotations

import pytest

from .names import Code, read_code


@pytest.fixture(scope="session")
def code() -> Code:
    """All of the project's syntax, read once."""
    return read_code()
