"""Messages no client would send, to every method of the gRPC port: ``python -m tests.fuzz.messages --seconds 600``.

Random bytes, and good messages with bytes changed, cut, doubled or put elsewhere, and fields set to what they must not
hold. A service may refuse all of them; it must never fail: no INTERNAL, no UNKNOWN, no UNAVAILABLE, and a good request
after each hundred is answered as ever.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import grpc

from cxrshift.serving.stack import Stack, StackConfig
from cxrshift_api import explain_pb2 as pb
from tests.stack.stack_calls import QUICK, open_channel, phantom_file, request

FAILURES = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE)
UNARY = {
    "/cxrshift.v1.Explainer/": ("Explain", "Classify", "ListModels"),
    "/inference.GRPCInferenceService/": (
        *("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"),
    ),
    "/grpc.health.v1.Health/": ("Check",),
}
METHODS = [service + name for service, names in UNARY.items() for name in names]
STREAMS = ["/cxrshift.v1.Explainer/ExplainStream"]
SECONDS = 60.0


def seeds() -> list[bytes]:
    """Good messages to begin with."""
    explain = request(phantom_file(1), QUICK)
    wide = pb.ExplainRequest(image=explain.image[:2000], model="phantom", request_id="fuzz")
    wide.options.findings.extend(["Effusion", "Mass"])
    wide.options.frames, wide.options.lambda_min, wide.options.target_change = 3, -1.0, 0.3
    infer = b"\n\x07phantom\x12\x00\x1a\x02id"
    return [explain.SerializeToString(), wide.SerializeToString(), b"", infer, b"\x0a\x00" * 50]


def mutate(message: bytes, random_: random.Random) -> bytes:
    """The message with up to eight faults."""
    data = bytearray(message)
    for _ in range(random_.randint(1, 8)):
        place = random_.randrange(len(data) + 1)
        match random_.randrange(5):
            case 0:
                data[place : place + 1] = bytes([random_.randrange(256)])
            case 1:
                del data[place : place + random_.randint(1, 64)]
            case 2:
                data[place:place] = data[place : place + random_.randint(1, 64)]
            case 3:
                data[place:place] = random_.randbytes(random_.randint(1, 16))
            case 4:
                # A field of any number and wire type, with a length that may lie.
                data[place:place] = bytes([random_.randrange(8, 128), random_.randrange(256)])
    return bytes(data)


def misuse(random_: random.Random) -> bytes:
    """A message that decodes, whose fields hold what they must not."""
    numbers = (0.0, -1.0, 1e308, float("nan"), float("inf"), 1e-320)
    texts = ("", "phantom", "Effusion", "../..", "é" * 40, "x" * 5000, "\0", "[METRICS]a.Count:1|#")
    message = request(phantom_file(1), QUICK)
    message.model, message.request_id = random_.choice(texts), random_.choice(texts)
    options = message.options
    options.findings.extend(random_.choices(texts, k=random_.randrange(40)))
    options.profile, options.heatmap = random_.randrange(-3, 9), random_.randrange(-3, 9)  # type: ignore[assignment]
    options.saliency.extend(random_.choices(range(9), k=random_.randrange(4)))  # type: ignore[arg-type]
    options.frames, options.source_frame = random_.choices((0, 1, 2, 3, 101, 2**32 - 1), k=2)
    for name in random_.sample(("lambda_min", "lambda_max", "target_change", "pixel_change"), k=2):
        setattr(options, name, random_.choice(numbers))
    if random_.random() < 0.5:
        message.image = mutate(message.image, random_)
    return message.SerializeToString()


def make(good: Sequence[bytes], random_: random.Random) -> bytes:
    """Some message."""
    match random_.randrange(4):
        case 0:
            return random_.randbytes(random_.randrange(400))
        case 1:
            return misuse(random_)
        case _:
            return mutate(random_.choice(good), random_)


def fuzz(channel: grpc.Channel, seconds: float, seed: int) -> Counter[str]:
    """How many calls ended with which status. Raises AssertionError at the first that failed."""
    random_, good, told = random.Random(seed), seeds(), Counter[str]()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        method = random_.choice(METHODS + STREAMS)
        message = make(good, random_)
        code = ask(channel, method, message)
        told[code.name] += 1
        assert code not in FAILURES, f"{method} ended with {code.name}: {message.hex()}"
        if sum(told.values()) % 100 == 0:
            assert ask(channel, METHODS[0], good[0]) == grpc.StatusCode.OK
    return told


def ask(channel: grpc.Channel, method: str, message: bytes) -> grpc.StatusCode:
    """One call's status."""
    try:
        if method in STREAMS:
            list(channel.unary_stream(method, None, None)(message, timeout=SECONDS))
        else:
            channel.unary_unary(method, None, None)(message, timeout=SECONDS)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz a stack of its own; 1 where a call failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.messages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    phantom = Path(__file__).resolve().parents[2] / "model_store/phantom"
    with Stack(StackConfig(models=(phantom,))) as stack, open_channel(stack.grpc_target) as channel:
        try:
            told = fuzz(channel, given.seconds, given.seed)
        except AssertionError as failure:
            sys.stderr.write(f"{failure}\n{stack.gateway.log()}\n")
            return 1
    sys.stdout.write(f"{sum(told.values())} calls: {dict(told.most_common())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
