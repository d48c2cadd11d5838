"""Traces: on where an OTLP endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT or ..._TRACES_ENDPOINT), else nothing.

Whoever calls these need not know whether traces are on. Off, no library is imported and a span is one shared object.
A span holds what a log line may hold: names of ours, a request id that was checked, and no text of a caller's or an
exception's. Of what a caller sends, traceparent is read (W3C Trace Context), tracestate and baggage are not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from cxrshift.telemetry import log_event

if TYPE_CHECKING:
    from cxrshift.trace_recorder import Recorder

TRACEPARENT = "traceparent"
"""HTTP header, gRPC metadata key, and key of the inner hop's input."""
Kind = Literal["server", "client", "internal"]
Attribute: TypeAlias = str | int | float | bool

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
logger = logging.getLogger("cxrshift.tracing")


class Traced(Protocol):
    """A span that has begun."""

    @property
    def traceparent(self) -> str:
        """What a child elsewhere must be told; empty where traces are off."""
        ...

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty where traces are off."""
        ...

    def end(self, *, failed: bool = False, **attributes: Attribute) -> None:
        """End it with what is known only now; what comes after the first time is not heard."""
        ...


class _Nothing:
    """The span where traces are off."""

    traceparent = ""
    trace_id = ""

    def end(self, *, failed: bool = False, **attributes: Attribute) -> None:
        """Do nothing."""


_NOTHING: Traced = _Nothing()
_recorder: Recorder | None = None
"""Set once by the process that is traced, as logging is."""
_current: ContextVar[Traced] = ContextVar("cxrshift_span", default=_NOTHING)


def start_tracing(service: str) -> bool:
    """Trace this process as ``service`` where an endpoint is set; whether it does."""
    global _recorder
    if not any(map(os.environ.get, _ENDPOINTS)) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    try:
        from cxrshift.trace_recorder import Recorder
    except ImportError:
        log_event(logger, "traces are off: install cxrshift[traces]", level=logging.WARNING)
        return False
    _recorder = Recorder(service)
    return True


def stop_tracing() -> None:
    """Send what is not sent yet, and trace no more."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder:
        recorder.close()


def begin_span(name: str) -> Traced:
    """Begin a span below the current one; who begins it must end it."""
    return _begin(name, None, "internal", {})


def begin_call(name: str, *, parent: str, **attributes: Attribute) -> Traced:
    """Begin a call's span, below its caller's traceparent if that is one; the task's further spans are below it."""
    begun = _begin(name, parent, "server", attributes)
    _current.set(begun)
    return begun


def _begin(name: str, parent: str | None, kind: Kind, attributes: Mapping[str, Attribute]) -> Traced:
    """What happens outside any call, such as a look at readiness, leaves no span."""
    above = _current.get().traceparent if parent is None else parent
    if _recorder is None or (parent is None and not above):
        return _NOTHING
    return _recorder.begin(name, above, kind, attributes)


@contextmanager
def span(name: str, *, kind: Kind = "internal", **attributes: Attribute) -> Iterator[Traced]:
    """A span around the body, below the current one; one that an exception leaves has failed."""
    before = _current.get()
    own = _begin(name, None, kind, attributes)
    _current.set(own)
    try:
        yield own
    except BaseException:
        own.end(failed=True)
        raise
    finally:
        _current.set(before)
        own.end()


def carry(target: MutableMapping[str, bytes]) -> None:
    """Tell the current span to whoever reads ``target``; nothing where traces are off."""
    if traceparent := _current.get().traceparent:
        target[TRACEPARENT] = traceparent.encode()


def log_fields(traced: Traced) -> Mapping[str, Any]:
    """What a log line says of a trace."""
    return {"trace_id": traced.trace_id} if traced.trace_id else {}


def record_batch(parents: Sequence[object], stages: Mapping[str, float], **attributes: Attribute) -> None:
    """Tell of a batch that has just ended: below each parent that is a traceparent, a span with a child for each stage.

    ``stages`` has seconds by name in the order in which they ran; ``total`` is the whole. They are laid end to end:
    what is known of a stage is how long it took. Each span links to the batch's other requests.
    """
    if _recorder is not None:
        texts = [bytes(one).decode("ascii", "replace") if isinstance(one, bytes | bytearray) else "" for one in parents]
        _recorder.record_batch(texts, stages, attributes)
