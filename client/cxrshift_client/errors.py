"""Every error that this client raises on purpose.

    ExplainerError               carries a Problem (code, message, retry_after) and the request's id
    ├── RequestError             the caller can mend it: INVALID_REQUEST, INVALID_IMAGE, UNSUPPORTED_IMAGE, TOO_LARGE,
    │                            UNKNOWN_MODEL, UNKNOWN_FINDING, UNTRAINED_FINDING
    ├── AccessError              UNAUTHENTICATED, FORBIDDEN
    ├── BusyError                a later try may succeed: OVERLOADED, UNAVAILABLE
    │   └── UnreachableError     nothing answered at the address
    ├── DeadlineError            DEADLINE: no answer within the timeout
    ├── CallCancelled            CANCELLED
    └── ServiceFault             INTERNAL
        └── ProtocolError        an answer that is not in the contract: another program, or another version

A foreign exception (grpc, httpx) is translated once, in the transport that met it, with ``from``. A file that cannot
be read raises the OSError it is.
"""

from __future__ import annotations

from cxrshift_api.types import Problem, ProblemCode


class ExplainerError(Exception):
    """The root. ``problem`` is what a program looks at; ``request_id`` finds the request in the service's log."""

    def __init__(self, problem: Problem, request_id: str = "") -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.request_id = request_id

    def __str__(self) -> str:
        about = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.problem.code}: {self.problem.message}{about}"

    def __reduce__(self) -> tuple[type[ExplainerError], tuple[Problem, str]]:
        return type(self), (self.problem, self.request_id)


class RequestError(ExplainerError):
    """The request cannot be answered as it is; the message says what would be right."""


class AccessError(ExplainerError):
    """The service does not know the caller, or does not let it do this."""


class BusyError(ExplainerError):
    """No worker can take the request now; ``problem.retry_after`` says when to come back, where that is known."""


class UnreachableError(BusyError):
    """Nothing answered at the address."""


class DeadlineError(ExplainerError):
    """The answer did not come within the timeout."""


class CallCancelled(ExplainerError):
    """The call was given up before its answer came."""


class ServiceFault(ExplainerError):
    """A fault of the service."""


class ProtocolError(ServiceFault):
    """What answered does not speak this contract."""


_FAMILIES: dict[ProblemCode, type[ExplainerError]] = {
    ProblemCode.UNAUTHENTICATED: AccessError,
    ProblemCode.FORBIDDEN: AccessError,
    ProblemCode.OVERLOADED: BusyError,
    ProblemCode.UNAVAILABLE: BusyError,
    ProblemCode.DEADLINE: DeadlineError,
    ProblemCode.CANCELLED: CallCancelled,
    ProblemCode.INTERNAL: ServiceFault,
}


def error_of(problem: Problem, request_id: str = "") -> ExplainerError:
    """The error of the family that the problem's code belongs to."""
    return _FAMILIES.get(problem.code, RequestError)(problem, request_id)


def refuse(message: str, code: ProblemCode = ProblemCode.INVALID_REQUEST) -> RequestError:
    """A RequestError of the client's own, for what need not be sent to be known as wrong."""
    return RequestError(Problem(code, message))


def unreachable(address: str, request_id: str = "") -> UnreachableError:
    """Nothing answered at ``address``."""
    message = f"No service answers at {address}. Check the address, and that the service is running."
    return UnreachableError(Problem(ProblemCode.UNAVAILABLE, message), request_id)


def foreign_answer(address: str, request_id: str = "") -> ProtocolError:
    """Something answered at ``address``, but not as the contract says."""
    message = f"What answers at {address} is no cxrshift service of this version. Check scheme and port of the address."
    return ProtocolError(Problem(ProblemCode.INTERNAL, message), request_id)
