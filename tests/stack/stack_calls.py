"""How the stack's tests call it: plain gRPC, many calls at once, outcomes as bytes that can be compared."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import grpc

from cxrshift.demo import to_png
from cxrshift.phantom import generate
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from cxrshift_api.types import ExplainOptions, ExplainRequest, Profile

SECONDS = 120.0
QUICK = ExplainOptions(("Cardiomegaly",), profile=Profile.FIXED, frames=3, lambda_min=-1.0, lambda_max=1.0)
"""The cheapest explanation there is: three frames, nothing to search."""


def open_channel(target: str) -> grpc.Channel:
    """A channel that takes replies of any size: three findings of 101 frames are over gRPC's own 4 MiB."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    return grpc.insecure_channel(target, options=options)


def stub_for(channel: grpc.Channel) -> ExplainerStub:
    """The service's stub; generated code has no types of its own."""
    return ExplainerStub(channel)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Outcome:
    """What came back: the explanations' bytes, or a problem's code."""

    explanations: tuple[bytes, ...] = ()
    code: str = ""


def phantom_file(seed: int, findings: Collection[str] | None = None) -> bytes:
    """A synthetic radiograph, with the findings that its seed draws where none are named, as a PNG file."""
    return to_png(generate(seed, findings=findings))


def request(image: bytes, options: ExplainOptions = QUICK) -> pb.ExplainRequest:
    """One explain request's message."""
    return codec.encode_explain_request(ExplainRequest(image, options=options))


def explain_together(stub: ExplainerStub, requests: Sequence[pb.ExplainRequest]) -> list[Outcome]:
    """Send all at once and wait for all; the outcomes in the requests' order."""
    calls = [stub.Explain.future(one, timeout=SECONDS) for one in requests]
    return [_outcome(call) for call in calls]


def explain_alone(stub: ExplainerStub, one: pb.ExplainRequest) -> Outcome:
    """Send one and wait."""
    return explain_together(stub, [one])[0]


def _outcome(call: grpc.CallFuture[pb.ExplainReply]) -> Outcome:
    try:
        reply = call.result()
    except grpc.RpcError as error:
        return Outcome(code=problem_of(error).code)
    return Outcome(tuple(codec.to_bytes(explanation) for explanation in reply.explanations))


def problem_of(error: grpc.RpcError) -> pb.Problem:
    """The Problem in a failed call's trailing metadata; one that tells gRPC's status where there is none."""
    trailing: Iterable[tuple[str, bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]
    for key, value in trailing:
        if key == "cxrshift-problem-bin":
            return pb.Problem.FromString(value)
    return pb.Problem(code=f"no problem, only {error.code().name}", message=error.details() or "")


def largest_batch_bucket(metrics_url: str) -> float:
    """The upper bound of the highest batch-size bucket that any request fell into."""
    with urllib.request.urlopen(metrics_url, timeout=10) as response:
        text = response.read().decode()
    buckets = re.findall(r'^cxrshift_\w*batch_size\w*_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)$', text, re.MULTILINE)
    counts = sorted((float(bound), float(count)) for bound, count in buckets)
    below, largest = 0.0, 0.0
    for bound, count in counts:
        if count > below:
            largest, below = bound, count
    return largest
