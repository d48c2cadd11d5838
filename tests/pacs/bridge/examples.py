"""Settings, files and a service for the bridge's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cxrshift.pacs.bridge.arrivals import Arrival, read_arrival
from cxrshift.pacs.bridge.settings import BridgeSettings
from tests.pacs.sources import source_file

AE_TITLE, CALLER = "CXRSHIFT", "ARCHIVE"


def make_settings(folder: Path, **changes: Any) -> BridgeSettings:
    """A bridge that listens on free ports, wants every CR and DX, and sends nowhere that answers."""
    given = {
        "spool": {"folder": folder / "spool", "first_wait": 0.05, "longest_wait": 0.2, "least_free": 0},
        "scp": {"ae_title": AE_TITLE, "port": 0, "callers": [CALLER]},
        "stow": {"port": 0},
        "metrics": {"port": 0},
        "destinations": {"archive": {"kind": "dimse", "host": "127.0.0.1", "port": 9, "ae_title": "ORTHANC"}},
        "rules": [{"name": "films", "match": {"modality": ["CR", "DX"]}, "send_to": ["archive"]}],
    }
    return BridgeSettings.model_validate(given | changes)


def make_arrival(number: int = 1, caller: str = CALLER, **attributes: Any) -> Arrival:
    """A CR, another one for each number."""
    return read_arrival(source_file(64, 48, SOPInstanceUID=f"1.2.3.{number}", **attributes), caller)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once ``holds()``; AssertionError if it does not in time."""
    import time

    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
