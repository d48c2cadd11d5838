"""Spans by the OpenTelemetry SDK, sent over OTLP/HTTP. Imported only where traces are on."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cxrshift.tracing import TRACEPARENT, Attribute, Kind

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}
_PREFIX = "cxrshift."
_FORMAT = TraceContextTextMapPropagator()
_SECOND = 1_000_000_000


class Recorder:
    """Begins spans and sends those that ended, in a thread of its own. Settings are the SDK's, from OTEL_ variables."""

    def __init__(self, service: str) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME") or service
        resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version("cxrshift")})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("cxrshift", version("cxrshift"))

    def begin(self, name: str, parent: str, kind: Kind, attributes: Mapping[str, Attribute]) -> RecordedSpan:
        """A span that begins now, below ``parent`` where that is a traceparent, else a trace's first."""
        context = _FORMAT.extract({TRACEPARENT: parent}) if parent else set_span_in_context(INVALID_SPAN)
        made = self._tracer.start_span(name, context, _KINDS[kind], _named(attributes), record_exception=False)
        return RecordedSpan(made)

    def record_batch(
        self, parents: Sequence[str], stages: Mapping[str, float], attributes: Mapping[str, Attribute]
    ) -> None:
        """The spans of a batch that ended now, a tree below each parent. ``stages`` holds seconds by name."""
        contexts = {parent: _FORMAT.extract({TRACEPARENT: parent}) for parent in parents if parent}
        known = {
            parent: span for parent, c in contexts.items() if (span := get_current_span(c).get_span_context()).is_valid
        }
        end = time.time_ns()
        start = end - _nanoseconds(stages["total"])
        for parent in known:
            links = [Link(other) for name, other in known.items() if name != parent]
            batch = self._tracer.start_span(
                "batch", contexts[parent], SpanKind.SERVER, _named(attributes), links, start_time=start
            )
            moment, below = start, set_span_in_context(batch)
            for name, seconds in stages.items():
                if name != "total" and seconds:
                    stage = self._tracer.start_span(name, below, start_time=moment)
                    moment += _nanoseconds(seconds)
                    stage.end(moment)
            batch.end(end)

    def close(self) -> None:
        """Send the rest and stop."""
        self._provider.shutdown()


class RecordedSpan:
    """A span of the SDK as tracing.Traced has it."""

    def __init__(self, made: Span) -> None:
        self._made = made
        context = made.get_span_context()
        self.trace_id = format_trace_id(context.trace_id)
        self.traceparent = f"00-{self.trace_id}-{format_span_id(context.span_id)}-{context.trace_flags:02x}"

    def end(self, *, failed: bool = False, **attributes: Attribute) -> None:
        """End it; an ended span hears nothing more."""
        if self._made.is_recording():
            self._made.set_attributes(_named(attributes))
            if failed:
                self._made.set_status(Status(StatusCode.ERROR))
            self._made.end()


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {_PREFIX + name: value for name, value in attributes.items()}


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _SECOND)
