"""One trace from a caller through the gateway into TorchServe's worker, over real sockets and processes."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from cxrshift.serving.stack import Stack
from tests.gateway.collector import Collector, SeenSpan
from tests.gateway.samples import npy_image

STAGES = {"decode", "encode", "gradient", "search", "frames"}
SLACK = 5_000_000
"""Nanoseconds by which the clock's steps may disagree."""


def explain(stack: Stack, seed: int) -> str:
    """Explain one radiograph; the id of the trace that was begun for it."""
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01", "x-request-id": f"traced-{seed}"}
    answer = httpx.post(f"{stack.rest_url}/v1/explain?frames=5", content=npy_image(seed), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return trace


def is_whole(spans: list[SeenSpan]) -> bool:
    return {"explain", "batch"} <= {span.name for span in spans}


def test_a_trace_leads_from_the_caller_to_the_stages_in_the_worker(stack: Stack, collector: Collector) -> None:
    trace = explain(stack, 1)
    spans = {span.name: span for span in collector.wait(trace, is_whole)}
    assert spans.keys() == {"explain", "admission", "ask_worker", "render", "batch", *STAGES}
    call, asked, batch = spans["explain"], spans["ask_worker"], spans["batch"]
    assert (call.service, batch.service) == ("cxrshift-gateway", "cxrshift-worker")
    assert (asked.parent, batch.parent) == (call.id, asked.id)
    assert batch.attributes["cxrshift.batch_size"] >= 1
    assert batch.attributes["cxrshift.rows"] > 0
    assert asked.start - SLACK <= batch.start <= batch.end <= asked.end + SLACK
    for name in STAGES:
        assert spans[name].parent == batch.id
        assert batch.start <= spans[name].start <= spans[name].end
    assert sum(spans[name].end - spans[name].start for name in STAGES) <= batch.end - batch.start + SLACK
    assert '"request_id": "traced-1"' in stack.gateway.log(200)
    assert f'"trace_id": "{trace}"' in stack.gateway.log(200)


def test_requests_of_one_batch_are_linked_to_each_other(stack: Stack, collector: Collector) -> None:
    """Whoever is slowed by a neighbour can find it."""
    for attempt in range(10):
        with ThreadPoolExecutor(6) as threads:
            traces = list(threads.map(lambda seed: explain(stack, seed), range(10 * attempt, 10 * attempt + 6)))
        found = [{span.name: span for span in collector.wait(trace, is_whole)} for trace in traces]
        asked = {spans["ask_worker"].id for spans in found}
        sizes = [spans["batch"].attributes["cxrshift.batch_size"] for spans in found]
        for spans, size in zip(found, sizes, strict=True):
            assert len(spans["batch"].links) == int(size) - 1
            assert set(spans["batch"].links) <= asked - {spans["ask_worker"].id}
        if np.max(sizes) > 1:
            return
    raise AssertionError("no batch of two formed")
