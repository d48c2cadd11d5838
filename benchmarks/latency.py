"""How long one explanation takes through the whole running stack: ``python -m benchmarks.latency``.

Starts TorchServe and the gateway on free ports, asks one at a time and then several at once, and prints seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx

from cxrshift.demo import to_png
from cxrshift.phantom import generate
from cxrshift.serving.stack import Stack, StackConfig
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from cxrshift_api.types import ExplainOptions, ExplainRequest

PHANTOM = Path(__file__).resolve().parents[1] / "model_store/phantom"
OPTIONS = ExplainOptions(("Cardiomegaly",), frames=11)
UNLIMITED = [("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True)
class Row:
    """One line of the table; times in seconds."""

    name: str
    seconds: tuple[float, ...]
    elapsed: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=40, help="measured calls for each row of the table")
    parser.add_argument("--at-once", type=int, default=8, help="callers of the last row")
    options = parser.parse_args(arguments)
    images = [to_png(generate(seed)) for seed in range(options.calls)]
    with (
        Stack(StackConfig(models=(PHANTOM,))) as stack,
        grpc.insecure_channel(stack.grpc_target, options=UNLIMITED) as channel,
        httpx.Client(base_url=stack.rest_url, timeout=60) as rest,
    ):
        stub = ExplainerStub(channel)  # type: ignore[no-untyped-call]

        def over_grpc(image: bytes) -> None:
            stub.Explain(_request(image))

        def over_rest(image: bytes) -> None:
            rest.post("/v1/explain", content=image, params={"finding": "Cardiomegaly", "frames": 11}).raise_for_status()

        for image in images[:5]:
            over_grpc(image)
            over_rest(image)
        rows = [
            _measure("gRPC, one at a time", over_grpc, images, callers=1),
            _measure("REST with JSON, one at a time", over_rest, images, callers=1),
            _measure(f"gRPC, {options.at_once} at once", over_grpc, images, callers=options.at_once),
        ]
    print(_table(rows))


def _measure(name: str, call: Callable[[bytes], None], images: Sequence[bytes], *, callers: int) -> Row:
    def timed(image: bytes) -> float:
        started = time.perf_counter()
        call(image)
        return time.perf_counter() - started

    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        seconds = tuple(pool.map(timed, images))
    return Row(name, seconds, time.perf_counter() - started)


def _table(rows: Sequence[Row]) -> str:
    lines = [f"{'phantom, one finding, 11 frames':32} {'median':>8} {'p95':>8} {'max':>8} {'per s':>8}"]
    for row in rows:
        ordered = sorted(row.seconds)
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        rate = len(ordered) / row.elapsed
        lines.append(f"{row.name:32} {statistics.median(ordered):8.3f} {p95:8.3f} {ordered[-1]:8.3f} {rate:8.1f}")
    return "\n".join(lines)


def _request(image: bytes) -> pb.ExplainRequest:
    return codec.encode_explain_request(ExplainRequest(image, options=OPTIONS))


if __name__ == "__main__":
    main()
