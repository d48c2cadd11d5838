"""Where every call begins and ends, whatever its protocol: the door, in-flight count, seconds, problem, log line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cxrshift import tracing
from cxrshift.audit import SOURCE_ID, Action, AuditRecord, AuditTrail, Outcome
from cxrshift.errors import CodedError, DeadlineExceeded, InternalError
from cxrshift.gateway.access.callers import Caller, Role, Visitor
from cxrshift.gateway.access.door import Door
from cxrshift.gateway.metrics import Metrics, Operation, Protocol
from cxrshift.pacs.results import study_of
from cxrshift.telemetry import describe_fault, log_event
from cxrshift_api.types import ProblemCode

_AUDITED: tuple[Operation, ...] = ("explain", "explain_stream", "classify", "infer")
_ROLES: Mapping[Operation, Role] = {
    "explain": Role.EXPLAIN,
    "explain_stream": Role.EXPLAIN,
    "infer": Role.EXPLAIN,
    "classify": Role.CLASSIFY,
    "usage": Role.ADMIN,
}
"""What a caller must be allowed; the other operations ask no more than to be known."""
_PASSING = (ProblemCode.OVERLOADED, ProblemCode.UNAVAILABLE, ProblemCode.DEADLINE, ProblemCode.CANCELLED)
"""Another try may succeed."""
_OWN_FAILURES = (ProblemCode.INTERNAL, ProblemCode.UNAVAILABLE, ProblemCode.DEADLINE)
"""What counts against the service's objective (docs/slo.md)."""

logger = logging.getLogger("cxrshift.gateway")


@dataclass(frozen=True)
class Deadline:
    """A moment of ``time.monotonic()`` after which an answer is of no use."""

    at: float
    """Seconds of ``time.monotonic()``."""

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

    visitor: Visitor
    caller: Caller | None = None
    """Who it was found to be, once it was let in."""
    image: bytes = b""
    """The file that it is about, once it is read."""


class CallLog:
    """Lets calls in and watches them for metrics, log and audit."""

    def __init__(self, metrics: Metrics, door: Door, audit: AuditTrail | None = None) -> None:
        self._metrics = metrics
        self._door = door
        self._audit = audit

    @asynccontextmanager
    async def observe(
        self, protocol: Protocol, operation: Operation, request_id: str, visitor: Visitor, *, traceparent: str = ""
    ) -> AsyncIterator[Call]:
        """Let one call in and watch it. Raises CodedError alone: what else is raised is logged as InternalError."""
        started = time.perf_counter()
        code = "OK"
        call = Call(visitor)
        traced = tracing.begin_call(operation, parent=traceparent, protocol=protocol, request_id=request_id)
        self._metrics.in_flight.inc()
        try:
            async with self._door.enter(visitor, _ROLES.get(operation)) as call.caller:
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
                caller=call.caller.id if call.caller else None,
                **tracing.log_fields(traced),
            )
            if self._audit and operation in _AUDITED:
                await _write_audit(self._audit, call, code)


async def _write_audit(audit: AuditTrail, call: Call, code: str) -> None:
    """In a thread, since a DICOM file may have to be inflated for its study's UID; to its end, whoever goes away."""
    outcome = Outcome.SUCCESS if code == "OK" else Outcome.SERIOUS_FAILURE
    outcome = Outcome.MINOR_FAILURE if code in _PASSING else outcome
    actor, now = call.caller.name if call.caller else call.visitor.host, datetime.now(UTC)

    def write() -> None:
        study = study_of(call.image)
        audit.write(AuditRecord(Action.EXPLAINED, actor, SOURCE_ID, outcome, now, study, call.visitor.host))

    await asyncio.shield(asyncio.to_thread(write))
