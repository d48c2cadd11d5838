"""What Prometheus is told. Every label has a short, fixed list of values; nothing tells of a caller or a patient."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import version
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from cxrshift.gateway.admission import Admission
from cxrshift_api.types import Explanation, ProblemCode, StageSeconds, WorkReport

Protocol = Literal["rest", "grpc"]
Operation = Literal[
    "explain", "explain_stream", "classify", "list_models", "usage",
    "infer", "model_metadata", "model_ready", "server_metadata", "other",
]  # fmt: skip

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_ROWS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_WORKER_STAGES = tuple(f.name for f in fields(StageSeconds) if f.name != "total")


class Metrics:
    """The gateway's metrics on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "cxrshift_request_seconds",
            "From a call's headers to its whole answer, rendered; code is OK or the problem's.",
            ("protocol", "operation", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "cxrshift_queue_seconds",
            "Time of an answered request that its worker did not spend on it: waiting for a place, a batch, a restart.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "cxrshift_stage_seconds",
            "Time of one stage; the worker's stages are those of the whole batch that held the request.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "cxrshift_batch_size",
            "Requests in the batch that held a request, counted once for each of them.",
            buckets=_BATCHES,
            registry=self.registry,
        )
        self.rows = Histogram(
            "cxrshift_rows",
            "Images that the networks saw for the batch of an explanation.",
            buckets=_ROWS,
            registry=self.registry,
        )
        self.stops = Counter(
            "cxrshift_stop", "Why a search went no further on a side.", ("side", "reason"), registry=self.registry
        )
        self.problems = Counter(
            "cxrshift_problems", "Calls that ended with a problem.", ("code",), registry=self.registry
        )
        self.retries = Counter(
            "cxrshift_retries", "Requests sent again after their worker died.", registry=self.registry
        )
        self.in_flight = self._gauge("cxrshift_in_flight", "Calls begun and not ended.")
        self.ready = self._gauge("cxrshift_ready", "1 where every model answers and the service goes on, else 0.")
        self.model_ready = self._gauge("cxrshift_model_ready", "1 where a model that is served answers.", ("model",))
        build = Info("cxrshift_build", "Which version of the service this is.", registry=self.registry)
        build.info({"version": version("cxrshift")})
        ProcessCollector(registry=self.registry)
        for code in ProblemCode:  # a series that is there before its first event can be watched for a rise
            self.problems.labels(code.value)
        for stage in (*_WORKER_STAGES, "render"):
            self.stage_seconds.labels(stage)

    def watch_admission(self, admission: Admission, *, places: int, queue: int) -> None:
        """Tell how full the service is whenever somebody asks."""
        self._gauge("cxrshift_in_work", "Requests with a worker.").set_function(lambda: admission.working)
        self._gauge("cxrshift_waiting", "Requests that wait for a place with a worker.").set_function(
            lambda: admission.waiting
        )
        self._gauge("cxrshift_places", "Requests that may be with a worker at once.").set(places)
        self._gauge("cxrshift_queue_places", "Requests that may wait; the next is refused.").set(queue)

    def _gauge(self, name: str, said: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, said, labels, registry=self.registry)

    def end_call(self, protocol: Protocol, operation: Operation, code: str, seconds: float) -> None:
        """Count a finished call; ``code`` is OK or a ProblemCode's value."""
        self.request_seconds.labels(protocol, operation, code).observe(seconds)
        if code != "OK":
            self.problems.labels(code).inc()

    def observe_work(self, report: WorkReport, seconds: float) -> None:
        """Record a worker's report of an answer that took ``seconds`` to get."""
        self.queue_seconds.observe(max(0.0, seconds - report.stages.total))
        self.batch_size.observe(report.batch_size)
        if report.rows:
            self.rows.observe(report.rows)
        for stage in _WORKER_STAGES:
            if seconds_of_stage := getattr(report.stages, stage):  # a batch without explanations has no search
                self.stage_seconds.labels(stage).observe(seconds_of_stage)

    def observe_explanation(self, explanation: Explanation) -> None:
        """Count why the search stopped on each side."""
        self.stops.labels("below", explanation.below.stop.value).inc()
        self.stops.labels("above", explanation.above.stop.value).inc()
