"""The one table from problem codes to gRPC and HTTP statuses, and the forms a Problem takes in each protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from grpc import StatusCode

from cxrshift_api import codec
from cxrshift_api.json_codec import JsonObject, dump_json
from cxrshift_api.types import Problem, ProblemCode
from cxrshift_api.wire import PROBLEM_METADATA, REQUEST_ID

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Status:
    """What a problem code is called in each protocol."""

    grpc: StatusCode
    http: int
    """HTTP status, 400 or more."""
    title: str


STATUSES: Mapping[ProblemCode, Status] = {
    ProblemCode.INVALID_REQUEST: Status(StatusCode.INVALID_ARGUMENT, 400, "Invalid request"),
    ProblemCode.INVALID_IMAGE: Status(StatusCode.INVALID_ARGUMENT, 400, "Invalid image"),
    ProblemCode.UNAUTHENTICATED: Status(StatusCode.UNAUTHENTICATED, 401, "Unauthenticated"),
    ProblemCode.FORBIDDEN: Status(StatusCode.PERMISSION_DENIED, 403, "Forbidden"),
    ProblemCode.UNKNOWN_MODEL: Status(StatusCode.NOT_FOUND, 404, "Unknown model"),
    ProblemCode.TOO_LARGE: Status(StatusCode.RESOURCE_EXHAUSTED, 413, "Too large"),
    ProblemCode.UNSUPPORTED_IMAGE: Status(StatusCode.INVALID_ARGUMENT, 415, "Unsupported image"),
    ProblemCode.UNKNOWN_FINDING: Status(StatusCode.INVALID_ARGUMENT, 422, "Unknown finding"),
    ProblemCode.UNTRAINED_FINDING: Status(StatusCode.INVALID_ARGUMENT, 422, "Untrained finding"),
    ProblemCode.OVERLOADED: Status(StatusCode.RESOURCE_EXHAUSTED, 429, "Overloaded"),
    ProblemCode.CANCELLED: Status(StatusCode.CANCELLED, 499, "Cancelled"),
    ProblemCode.INTERNAL: Status(StatusCode.INTERNAL, 500, "Internal error"),
    ProblemCode.UNAVAILABLE: Status(StatusCode.UNAVAILABLE, 503, "Unavailable"),
    ProblemCode.DEADLINE: Status(StatusCode.DEADLINE_EXCEEDED, 504, "Deadline exceeded"),
}

HTTP_TITLES: Mapping[int, str] = {
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Request timeout",
    431: "Request header fields too large",
    501: "Not implemented",
}
"""Statuses that only HTTP has; their problems are INVALID_REQUEST."""
_WRONG_HTTP: Mapping[int, str] = {
    400: "This is not a request of HTTP/1.1 that is read alike by everyone; send one length, or chunks, and no more.",
    408: "The request did not come in time; send its headers at once.",
    431: "The request's headers are too long; 100 of 32 KiB together are taken.",
    501: "No transfer coding but chunked is understood.",
}
"""What is wrong with a request that is refused before any operation sees it."""


@dataclass(frozen=True)
class HttpProblem:
    """A Problem as RFC 9457 writes it: status, headers, body."""

    status: int
    """HTTP status, 400 or more."""
    headers: Mapping[str, str]
    body: bytes


def http_problem(problem: Problem, request_id: str, *, status: int | None = None) -> HttpProblem:
    """Render ``problem``; ``status`` is one of HTTP_TITLES where HTTP has a better word than the table."""
    entry = STATUSES[problem.code]
    document: JsonObject = {
        "type": f"urn:cxrshift:problem:{problem.code.value.lower().replace('_', '-')}",
        "title": HTTP_TITLES[status] if status else entry.title,
        "status": status or entry.http,
        "detail": problem.message,
        "code": problem.code.value,
        "request_id": request_id,
    }
    headers = {"content-type": PROBLEM_MEDIA_TYPE, "cache-control": "no-store"}
    if problem.code is ProblemCode.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    if problem.retry_after is not None:
        document["retry_after"] = problem.retry_after
        headers["retry-after"] = whole_seconds(problem.retry_after)
    return HttpProblem(status or entry.http, headers, dump_json(document))


def http_only_problem(status: int, request_id: str) -> HttpProblem:
    """A request that is malformed as HTTP; a ``status`` that is not known here becomes 400."""
    known = status if status in _WRONG_HTTP else 400
    problem = Problem(ProblemCode.INVALID_REQUEST, _WRONG_HTTP[known])
    rendered = http_problem(problem, request_id, status=known if known in HTTP_TITLES else None)
    length = {"content-length": str(len(rendered.body)), REQUEST_ID: request_id}
    return HttpProblem(rendered.status, {**rendered.headers, **length}, rendered.body)


def grpc_problem(problem: Problem, request_id: str) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata that carries ``problem``."""
    metadata: list[tuple[str, str | bytes]] = [
        (PROBLEM_METADATA, codec.to_bytes(codec.encode_problem(problem))),
        (REQUEST_ID, request_id),
    ]
    if problem.retry_after is not None:
        metadata.append(("retry-after", whole_seconds(problem.retry_after)))
    return tuple(metadata)


def whole_seconds(seconds: float) -> str:
    """Seconds as the Retry-After header has them: whole, at least one."""
    return str(max(1, math.ceil(seconds)))
