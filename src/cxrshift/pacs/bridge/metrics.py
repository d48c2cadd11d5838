"""What Prometheus is told of the bridge. Labels have short, fixed lists of values; nothing tells of a patient."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import product
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .spool import Spool
from .spool_records import State

Way = Literal["dimse", "stow"]
Taken = Literal["new", "known", "ignored", "unreadable", "mismatched", "turned_away"]
Step = Literal["done", "retried", "rejected", "dead"]

_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)


class BridgeMetrics:
    """The bridge's metrics on a registry of their own."""

    def __init__(self, spool: Spool, destinations: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._received = Counter(
            "cxrshift_pacs_received", "Objects that were sent here.", ("way", "outcome"), registry=self.registry
        )
        self._explained = Counter(
            "cxrshift_pacs_explained", "Tries to explain a radiograph.", ("outcome",), registry=self.registry
        )
        self._delivered = Counter(
            "cxrshift_pacs_delivered",
            "Tries to deliver a radiograph's results.",
            ("destination", "outcome"),
            registry=self.registry,
        )
        self._turnaround = Histogram(
            "cxrshift_pacs_turnaround_seconds",
            "From a radiograph's arrival until its results stand wherever they were to.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        jobs = Gauge(
            "cxrshift_pacs_radiographs", "Radiographs by where they stand.", ("state",), registry=self.registry
        )
        for state in State:
            jobs.labels(state).set_function(partial(spool.count, state))
        for way, taken in product(get_args(Way), get_args(Taken)):  # there before its first event, a series can rise
            self._received.labels(way, taken)
        for outcome in ("done", "retried", "dead"):
            self._explained.labels(outcome)
            for destination in destinations:
                self._delivered.labels(destination, outcome)

    def received(self, way: Way, outcome: Taken) -> None:
        """Count an object that was sent here."""
        self._received.labels(way, outcome).inc()

    def explained(self, outcome: Step) -> None:
        """Count a try to explain."""
        self._explained.labels(outcome).inc()

    def delivered(self, destination: str, outcome: Step) -> None:
        """Count a try to deliver."""
        self._delivered.labels(destination, outcome).inc()

    def finished(self, seconds: float) -> None:
        """Record how long a radiograph took from its arrival until all was delivered."""
        self._turnaround.observe(seconds)
