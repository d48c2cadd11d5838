"""One store, one TorchServe that is kept in order, and the right answers: what the fault tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrshift.serving.store import StoreSettings, build_store
from tests.faults.asks import Ask, make_asks
from tests.faults.load import Calm, ask_calmly
from tests.faults.pod import Pod, callers_of
from tests.faults.report import Report

MODEL_FOLDER = Path(__file__).resolve().parents[2] / "model_store/phantom"


@pytest.fixture(scope="session")
def model_folder() -> Path:
    return MODEL_FOLDER


@pytest.fixture(scope="session")
def report() -> Report:
    return Report()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = StoreSettings(threads=1)
    return build_store((MODEL_FOLDER,), tmp_path_factory.mktemp("store"), settings=settings)


@pytest.fixture(scope="session")
def asks() -> tuple[Ask, ...]:
    return make_asks()


@pytest.fixture(scope="session")
def pod(store: Path) -> Iterator[Pod]:
    """Tests that break it leave it whole."""
    with Pod(store) as pod:
        yield pod


@pytest.fixture(scope="session")
def calm(pod: Pod, asks: tuple[Ask, ...]) -> Calm:
    """What the service answers when nobody troubles it."""
    with pod.gateway() as gateway:
        return ask_calmly(callers_of(gateway, each=1), asks)
