"""A small OpenTelemetry collector: takes spans over OTLP/HTTP and keeps them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class SeenSpan:
    """A span as it came."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    """Empty where it is a trace's first."""
    start: int
    end: int
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    """Ids of the spans linked to."""
    failed: bool


class Collector:
    """``with Collector() as collector`` listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[SeenSpan] = []
        self._bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector._take(self.path, body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process must be told to send its spans here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def bodies(self) -> bytes:
        """Everything that was sent, one after another."""
        with self._lock:
            return b"".join(self._bodies)

    def spans(self, trace: str = "") -> list[SeenSpan]:
        """The spans that came so far, of one trace where it is named."""
        with self._lock:
            return [span for span in self._spans if trace in ("", span.trace)]

    def wait(self, trace: str, enough: Callable[[list[SeenSpan]], bool]) -> list[SeenSpan]:
        """The spans of a trace once there are enough of them, or those that came within some seconds."""
        deadline = time.monotonic() + 15
        while not enough(self.spans(trace)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.spans(trace)

    def _take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        spans = list(_read(ExportTraceServiceRequest.FromString(body)))
        with self._lock:
            self._bodies.append(body)
            self._spans += spans


def _read(message: ExportTraceServiceRequest) -> list[SeenSpan]:
    found = []
    for resource in message.resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                values = {a.key: getattr(a.value, a.value.WhichOneof("value") or "") for a in span.attributes}
                found.append(
                    SeenSpan(
                        service, span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                        span.start_time_unix_nano, span.end_time_unix_nano, values,
                        tuple(link.span_id.hex() for link in span.links), span.status.code == 2,
                    )
                )  # fmt: skip
    return found
