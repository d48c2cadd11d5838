"""An intake with its spool, and the ways in that lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cxrshift.audit import AuditTrail
from cxrshift.pacs.bridge.intake import Intake
from cxrshift.pacs.bridge.metrics import BridgeMetrics
from cxrshift.pacs.bridge.settings import BridgeSettings
from cxrshift.pacs.bridge.spool import Spool
from tests.pacs.bridge.examples import make_settings


@dataclass(frozen=True)
class Desk:
    """All that stands behind a way in."""

    settings: BridgeSettings
    spool: Spool
    metrics: BridgeMetrics
    audit: AuditTrail
    intake: Intake
    news: list[None]
    """One for each radiograph that was new."""

    def count(self, way: str, outcome: str) -> float:
        """Objects that came that way and ended so."""
        labels = {"way": way, "outcome": outcome}
        return self.metrics.registry.get_sample_value("cxrshift_pacs_received_total", labels) or 0.0

    def audited(self) -> str:
        """The audit messages."""
        return self.settings.audit.read_text("utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = make_settings(tmp_path)
    with Spool(settings.spool.folder) as spool, AuditTrail(settings.audit) as audit:
        metrics, news = BridgeMetrics(spool, settings.destinations), list[None]()
        intake = Intake(settings, spool, metrics, audit, on_new=lambda: news.append(None))
        yield Desk(settings, spool, metrics, audit, intake, news)
