"""Where every call begins and ends, whatever its protocol: in-flight count, seconds, problem, log line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cxrshift import tracing
from cxrshift.audit import SOURCE_ID, Action, AuditRecord, AuditTrail, Outcome
from cxrshift.errors import CodedError, DeadlineExceeded, InternalError
from cxrshift.gateway.metrics import Metrics, Operation, Protocol
from cxrshift.pacs.results import study_of
from cxrshift.telemetry import describe_fault, log_event
from cxrshift_api.types import ProblemCode

_AUDITED: tuple[Operation, ...] = ("explain", "explain_stream", "classify", "infer")
_PASSING = (ProblemCode.OVERLOADED, ProblemCode.UNAVAILABLE, ProblemCode.DEADLINE, ProblemCode.CANCELLED)
"""Another try may succeed."""
_OWN_FAILURES = (ProblemCode.INTERNAL, ProblemCode.UNAVAILABLE, ProblemCode.DEADLINE)
"""What counts against the service's objective (docs/slo.md)."""

logger = logging.getLogger("cxrshift.gateway")


@dataclass(frozen=True)
class Deadline:
    """A moment of ``time.monotonic()`` after which an answer is of no use."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.at - time.monotonic())

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Stop the body when time is up. Raises DeadlineExceeded then."""
        try:
            async with asyncio.timeout(self.remaining()):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded("The answer did not come in time; allow more, or ask for less.") from error


@dataclass
class Call:
    """One call while it is watched."""

    image: bytes = b""
    """The file that it is about, once it is read."""


class CallLog:
    """Watches calls for metrics, log and audit."""

    def __init__(self, metrics: Metrics, audit: AuditTrail | None = None) -> None:
        self._metrics = metrics
        self._audit = audit

    @asynccontextmanager
    async def observe(
        self, protocol: Protocol, operation: Operation, request_id: str, *, caller: str = "", traceparent: str = ""
    ) -> AsyncIterator[Call]:
        """Watch one call. Raises CodedError alone: any other exception is logged by place and becomes InternalError."""
        started = time.perf_counter()
        code = "OK"
        call = Call()
        traced = tracing.begin_call(operation, parent=traceparent, protocol=protocol, request_id=request_id)
        self._metrics.in_flight.inc()
        try:
            yield call
        except (asyncio.CancelledError, GeneratorExit):
            code = ProblemCode.CANCELLED.value
            raise
        except CodedError as error:
            code = error.to_problem().code.value
            raise
        except Exception as error:
            code = ProblemCode.INTERNAL.value
            log_event(
                logger,
                "fault",
                level=logging.ERROR,
                request_id=request_id,
                operation=operation,
                fault=describe_fault(error),
                **tracing.log_fields(traced),
            )
            raise InternalError("The service failed on this request; its log says where.") from error
        finally:
            seconds = time.perf_counter() - started
            self._metrics.in_flight.dec()
            self._metrics.end_call(protocol, operation, code, seconds)
            traced.end(failed=code in _OWN_FAILURES, code=code)
            log_event(
                logger,
                "call",
                request_id=request_id,
                protocol=protocol,
                operation=operation,
                code=code,
                seconds=round(seconds, 6),
                **tracing.log_fields(traced),
            )
            if self._audit and operation in _AUDITED:
                self._audit.write(_record(caller, call, code))


def _record(caller: str, call: Call, code: str) -> AuditRecord:
    outcome = Outcome.SUCCESS if code == "OK" else Outcome.SERIOUS_FAILURE
    outcome = Outcome.MINOR_FAILURE if code in _PASSING else outcome
    return AuditRecord(Action.EXPLAINED, caller, SOURCE_ID, outcome, datetime.now(UTC), study_of(call.image), caller)
