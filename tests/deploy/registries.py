"""The registries of gateway and bridge with a sample of every series, and the names in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from cxrshift.gateway.admission import Admission
from cxrshift.gateway.metrics import Metrics
from cxrshift.pacs.bridge.metrics import BridgeMetrics
from cxrshift.pacs.bridge.spool import Spool
from tests.gateway.samples import REPORT, explanation


def filled_gateway() -> CollectorRegistry:
    metrics = Metrics()
    metrics.watch_admission(Admission(places=2, queue=3, longest_wait=1.0), places=2, queue=3)
    metrics.end_call("rest", "explain", "OK", 0.1)
    metrics.end_call("grpc", "explain", "OVERLOADED", 0.1)
    metrics.observe_work(REPORT, 1.0)
    metrics.observe_explanation(explanation())
    metrics.model_ready.labels("phantom").set(1)
    return metrics.registry


def filled_bridge(spool: Spool) -> CollectorRegistry:
    metrics = BridgeMetrics(spool, ("archive",))
    metrics.received("dimse", "new")
    metrics.finished(1.0)
    return metrics.registry


def open_spool(folder: Path) -> Spool:
    return Spool(folder / "spool")


def exposed(registry: CollectorRegistry) -> Iterator[tuple[str, frozenset[str]]]:
    """Each metric's name as Prometheus has it, without a histogram's endings, and its own labels."""
    for family in registry.collect():
        ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        yield family.name + ending, frozenset(labels)


def series(registry: CollectorRegistry) -> dict[str, frozenset[str]]:
    """Every series' name with its labels, ``le`` included."""
    found: dict[str, frozenset[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | frozenset(sample.labels)
    return found
