"""What the callers ask while something breaks, over which protocol, and what each kind of answer means to them.

Every question has one right answer, byte for byte: the one that a calm service gave.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import grpc
import httpx

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ClassifyRequest, ExplainOptions, ExplainRequest
from tests.stack.stack_calls import QUICK, phantom_file

DEADLINE = 20.0
"""Seconds that a caller allows."""
SLACK = 3.0
"""Seconds by which a call may outlast its deadline: the callers share the machine's cores with what they ask."""
SEARCHED = ExplainOptions(("Effusion",), frames=7)
"""A search and seven frames: several times the work of QUICK."""

_RETRY_AFTER = "retry-after"
_RETRY_IN_GRPC = """{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.2s",
"maxBackoff": "2s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}],
"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "cxrshift.v1.Explainer"}}"""


class Verdict(StrEnum):
    """What came of a call."""

    RIGHT = "right"
    WRONG = "wrong"
    """An answer that is not the calm service's."""
    TOLD = "told to come back"
    """By a status after which a retry is safe, with the time to come back where the service can know it."""
    LOST = "lost"
    """Any other end."""


@dataclass(frozen=True)
class Answer:
    """What a caller heard: a status by its protocol's name, the reply's bytes if it was OK."""

    status: str
    body: bytes = b""
    retry_after: bool = False
    broken: bool = False
    """The connection ended, or nothing listened: no status at all."""

    @property
    def ok(self) -> bool:
        """Whether it claims to be an answer."""
        return self.status in ("OK", "200")

    @property
    def can_be_retried(self) -> bool:
        """Whether the caller was told so by the book."""
        if self.status in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "503", "429"):
            return self.retry_after
        return self.status in ("DEADLINE_EXCEEDED", "504")


@dataclass(frozen=True)
class Ask:
    """One question, the same each time: its request id too, which the answer repeats."""

    name: str
    message: pb.ExplainRequest | pb.ClassifyRequest
    query: Mapping[str, str]
    """The same options as REST has them."""

    @property
    def method(self) -> str:
        """As both protocols name it."""
        return "explain" if isinstance(self.message, pb.ExplainRequest) else "classify"


def make_asks() -> tuple[Ask, ...]:
    """Small and larger work, explanations and scores, about different radiographs."""

    def explain(name: str, seed: int, options: ExplainOptions, **query: str) -> Ask:
        asked = ExplainRequest(phantom_file(seed), options=options, request_id=name)
        message = codec.encode_explain_request(asked)
        return Ask(name, message, {"finding": options.findings[0], "frames": str(options.frames), **query})

    scores = ClassifyRequest(phantom_file(3), request_id="scores")
    fixed = {"profile": "fixed", "lambda_min": "-1", "lambda_max": "1"}
    return (
        explain("quick", 1, QUICK, **fixed),
        explain("searched", 2, SEARCHED),
        Ask("scores", codec.encode_classify_request(scores), {}),
        explain("quick-too", 4, QUICK, **fixed),
    )


class Caller(Protocol):
    """Asks over one protocol. Never raises: whatever happens is an Answer."""

    protocol: str

    def ask(self, ask: Ask, seconds: float) -> Answer:
        """One call with this deadline."""
        ...

    def close(self) -> None:
        """Give its connections back."""
        ...


class GrpcCaller:
    """Over gRPC; where ``failover`` by several targets in turn, those that say SERVING, and with gRPC's own retries."""

    protocol = "grpc"

    def __init__(self, targets: Sequence[str], *, failover: bool = False) -> None:
        options: list[tuple[str, int | str]] = [("grpc.max_receive_message_length", -1)]
        if failover:
            options += [("grpc.service_config", _RETRY_IN_GRPC)]
        options += [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1000)]
        self._channel = grpc.insecure_channel(f"ipv4:{','.join(targets)}", options=options)

    def ask(self, ask: Ask, seconds: float) -> Answer:
        """One call with this deadline."""
        reply = pb.ExplainReply if ask.method == "explain" else pb.ClassifyReply
        call = self._channel.unary_unary(
            f"/cxrshift.v1.Explainer/{ask.method.capitalize()}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        try:
            return Answer("OK", codec.to_bytes(call(ask.message, timeout=seconds)))
        except grpc.RpcError as error:
            trailing: Iterable[tuple[str, str]] = error.trailing_metadata() or ()  # type: ignore[assignment]
            return Answer(error.code().name, retry_after=_RETRY_AFTER in dict(trailing))

    def close(self) -> None:
        """End the channel."""
        self._channel.close()


class RestCaller:
    """Over REST; where ``failover``, from one address to the next when it refuses or does not answer."""

    protocol = "rest"

    def __init__(self, urls: Sequence[str], *, failover: bool = False) -> None:
        self._urls = itertools.cycle(urls)
        self._url = next(self._urls)
        self._http = httpx.Client()
        self._failover = failover

    def ask(self, ask: Ask, seconds: float) -> Answer:
        """One call with this deadline, all its attempts included."""
        ends = time.monotonic() + seconds
        while True:
            answer = self._try(ask, max(0.1, ends - time.monotonic()))
            if answer.ok or not self._failover or time.monotonic() + 0.5 > ends:
                return answer
            if answer.can_be_retried or answer.broken:
                self._url = next(self._urls)
                time.sleep(0.2)

    def _try(self, ask: Ask, seconds: float) -> Answer:
        try:
            heard = self._http.post(
                f"{self._url}/v1/{ask.method}",
                content=ask.message.image,
                params={**ask.query, "timeout": f"{seconds:.3f}"},
                headers={"x-request-id": ask.name},
                timeout=seconds + 2 * SLACK,
            )
        except httpx.HTTPError as error:
            return Answer(type(error).__name__, broken=True)
        return Answer(str(heard.status_code), heard.content if heard.is_success else b"", _RETRY_AFTER in heard.headers)

    def close(self) -> None:
        """End its connections."""
        self._http.close()
