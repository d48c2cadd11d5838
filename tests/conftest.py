"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scheduling import LongestFirst

pytest_plugins = ["tests.stack.running"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LongestFirst | None:
    """Ours for ``--dist loadfile``, as the Makefile has it; xdist's own for anything else."""
    return LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(autouse=True, scope="session")
def _own_exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What was measured on this machine must not decide in which runtime the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRSHIFT_EXPORT_CACHE", str(tmp_path_factory.mktemp("exports")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real radiographs beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared/data"
    if not folder.is_dir():
        pytest.skip("the real radiographs of ../shared/data are not here")
    return folder
