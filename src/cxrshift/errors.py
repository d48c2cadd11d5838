"""Every error this project raises on purpose.

    CxrshiftError
    ├── RequestError            the caller can mend it; carries a ProblemCode
    │   ├── InvalidRequest          INVALID_REQUEST     an option out of its range
    │   ├── InvalidImage            INVALID_IMAGE       bytes that do not decode
    │   ├── UnsupportedImage        UNSUPPORTED_IMAGE   decodes, but is no projection radiograph
    │   ├── TooLarge                TOO_LARGE           over a size limit, refused before decoding
    │   ├── Unauthenticated         UNAUTHENTICATED     no key or token, or one that does not hold
    │   ├── Forbidden               FORBIDDEN           a known caller without the role
    │   ├── UnknownModel            UNKNOWN_MODEL
    │   ├── UnknownFinding          UNKNOWN_FINDING
    │   └── UntrainedFinding        UNTRAINED_FINDING
    ├── ServiceError            the service's own trouble; carries a ProblemCode
    │   ├── Overloaded              OVERLOADED
    │   ├── Cancelled               CANCELLED
    │   ├── Unavailable             UNAVAILABLE
    │   ├── DeadlineExceeded        DEADLINE
    │   └── InternalError           INTERNAL
    └── ModelError              a model folder or weight file that must not be served
        ├── ManifestError           manifest.toml is missing, malformed or contradicts itself
        ├── WeightsError            a weight file is missing, altered, malformed or not allowed
        └── MethodError             the networks cannot be explained (no gradient, scores out of range)

A foreign exception is translated once, where it is caught, with ``from``. Messages say what is wrong and what
would be right; they never repeat the caller's bytes or a patient's data.
"""

from __future__ import annotations

from typing import ClassVar

from cxrshift_api.types import Problem, ProblemCode


class CxrshiftError(Exception):
    """The root of this project's errors."""


class CodedError(CxrshiftError):
    """An error that a caller of the service sees as a Problem.

    ``code`` says which, ``message`` is the sentence for people; ``retry_after``: seconds after which a retry is
    sensible, None where waiting does not help.
    """

    code: ClassVar[ProblemCode] = ProblemCode.INTERNAL

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after

    def to_problem(self) -> Problem:
        """This error as the value that crosses the service's boundary."""
        return Problem(self.code, self.message, self.retry_after)


class RequestError(CodedError):
    """The caller can mend it."""


class InvalidRequest(RequestError):
    """An option is out of its range or contradicts another."""

    code = ProblemCode.INVALID_REQUEST


class InvalidImage(RequestError):
    """The bytes do not decode to an image."""

    code = ProblemCode.INVALID_IMAGE


class UnsupportedImage(RequestError):
    """The bytes are an image, but not a projection radiograph that this service can read."""

    code = ProblemCode.UNSUPPORTED_IMAGE


class TooLarge(RequestError):
    """Over a size limit; refused before decoding."""

    code = ProblemCode.TOO_LARGE


class Unauthenticated(RequestError):
    """The caller names no key or token, or one that does not hold."""

    code = ProblemCode.UNAUTHENTICATED


class Forbidden(RequestError):
    """The caller is known and may not do this."""

    code = ProblemCode.FORBIDDEN


class UnknownModel(RequestError):
    """No model of that name is served."""

    code = ProblemCode.UNKNOWN_MODEL


class UnknownFinding(RequestError):
    """The model has no such finding."""

    code = ProblemCode.UNKNOWN_FINDING


class UntrainedFinding(RequestError):
    """The model lists the finding, but its weights were never trained on it."""

    code = ProblemCode.UNTRAINED_FINDING


class ServiceError(CodedError):
    """The service's own trouble."""


class Overloaded(ServiceError):
    """Past the limit of requests in flight; ``retry_after`` says when to come back."""

    code = ProblemCode.OVERLOADED


class Cancelled(ServiceError):
    """The caller went away."""

    code = ProblemCode.CANCELLED


class Unavailable(ServiceError):
    """No worker can answer now."""

    code = ProblemCode.UNAVAILABLE


class DeadlineExceeded(ServiceError):
    """The answer did not come in time."""

    code = ProblemCode.DEADLINE


class InternalError(ServiceError):
    """A fault of this service."""

    code = ProblemCode.INTERNAL


class ModelError(CxrshiftError):
    """A model folder or weight file that must not be served."""


class ManifestError(ModelError):
    """manifest.toml is missing, malformed or contradicts itself."""


class WeightsError(ModelError):
    """A weight file is missing, altered, malformed or not allowed."""


class MethodError(ModelError):
    """The networks cannot be explained by a latent shift."""
