"""Traces of the gateway: whose they are, what they say, and that they are nothing where they are off."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cxrshift import tracing
from cxrshift.telemetry import configure_logging
from tests.gateway.collector import Collector, SeenSpan
from tests.gateway.running import Running, Start, grpc_problem, request
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import NOT_FOUND, WorkerDouble, fail

in_module_loop = pytest.mark.asyncio(loop_scope="module")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """This process is traced while the test runs."""
    with Collector() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        assert tracing.start_tracing("cxrshift-gateway")
        yield running
        tracing.stop_tracing()


async def spans_of(collector: Collector, trace: str, count: int) -> dict[str, SeenSpan]:
    found = await asyncio.to_thread(collector.wait, trace, lambda spans: len(spans) >= count)
    return {span.name: span for span in found}


@in_module_loop
@pytest.mark.usefixtures("own_logging")
async def test_a_rest_call_goes_on_with_its_callers_trace(
    running: Running, double: WorkerDouble, collector: Collector
) -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream=stream)
    headers = {"traceparent": TRACEPARENT, "tracestate": "doe=jane", "baggage": "doe=jane", "x-request-id": "case-1"}
    image = npy_image() + b"Doe^Jane"
    answer = await running.rest.post("/v1/explain", content=image, headers={**headers, "user-agent": "Doe^Jane"})
    assert answer.status_code == 200
    spans = await spans_of(collector, TRACE, 4)
    assert spans.keys() == {"explain", "admission", "ask_worker", "render"}
    call = spans["explain"]
    assert (call.service, call.parent, call.failed) == ("cxrshift-gateway", PARENT, False)
    assert call.attributes == {
        "cxrshift.protocol": "rest", "cxrshift.request_id": "case-1", "cxrshift.code": "OK",
    }  # fmt: skip
    for name in ("admission", "ask_worker", "render"):
        assert spans[name].parent == call.id
        assert call.start <= spans[name].start <= spans[name].end <= call.end
    assert double.traceparents == [f"00-{TRACE}-{spans['ask_worker'].id}-01"]
    assert b"ane" not in collector.bodies()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    [told] = [line for line in lines if line["event"] == "call"]
    assert (told["request_id"], told["trace_id"]) == ("case-1", TRACE)


@in_module_loop
async def test_a_grpc_call_does_too_and_one_without_a_trace_begins_one(
    running: Running, double: WorkerDouble, collector: Collector
) -> None:
    await running.stub.Explain(request(), metadata=(("traceparent", TRACEPARENT),))
    assert (await spans_of(collector, TRACE, 3))["explain"].parent == PARENT
    for wrong in ("", "00-0-0-00", "no trace at all", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01"):
        await running.stub.Explain(request(request_id="alone"), metadata=(("traceparent", wrong),))
        begun = double.traceparents[-1].split("-")[1]
        assert begun != TRACE
        call = (await spans_of(collector, begun, 3))["explain"]
        assert (call.parent, call.attributes["cxrshift.request_id"]) == ("", "alone")


@in_module_loop
async def test_who_is_not_sampled_is_not_recorded_but_passed_on(
    running: Running, double: WorkerDouble, collector: Collector
) -> None:
    await running.stub.Explain(request(), metadata=(("traceparent", TRACEPARENT[:-1] + "0"),))
    tracing.stop_tracing()
    assert collector.spans(TRACE) == []
    assert double.traceparents[-1].startswith(f"00-{TRACE}-")
    assert double.traceparents[-1].endswith("-00")


@in_module_loop
async def test_a_failure_of_the_services_own_is_marked_and_a_callers_mistake_is_not(
    running: Running, double: WorkerDouble, collector: Collector
) -> None:
    double.behave = fail(NOT_FOUND)
    await grpc_problem(running.stub.Explain(request(), metadata=(("traceparent", TRACEPARENT),)))
    spans = await spans_of(collector, TRACE, 3)
    assert (spans["explain"].failed, spans["explain"].attributes["cxrshift.code"]) == (True, "UNAVAILABLE")
    assert (spans["ask_worker"].failed, spans["admission"].failed) == (True, False)
    other = TRACEPARENT.replace("0af7", "1af7")
    answer = await running.rest.post("/v1/explain?frames=1", content=npy_image(), headers={"traceparent": other})
    assert answer.status_code == 400
    told = (await spans_of(collector, other.split("-")[1], 1))["explain"]
    assert (told.failed, told.attributes["cxrshift.code"]) == (False, "INVALID_REQUEST")


@in_module_loop
async def test_who_leaves_while_waiting_leaves_a_span_that_failed(
    start: Start, double: WorkerDouble, collector: Collector
) -> None:
    running = await start(max_in_flight=1, readiness_period=60)
    go_on = asyncio.Event()

    async def hold(work: object, number: int) -> object:
        await go_on.wait()
        raise NOT_FOUND

    double.behave = hold  # type: ignore[assignment]
    first = asyncio.ensure_future(grpc_problem(running.stub.Explain(request())))
    while not double.works:
        await asyncio.sleep(0.01)
    with pytest.raises(Exception, match="did not come in time"):
        await running.stub.Explain(request(), timeout=0.3, metadata=(("traceparent", TRACEPARENT),))
    spans = await spans_of(collector, TRACE, 2)
    assert (spans["admission"].failed, spans["explain"].attributes["cxrshift.code"]) == (True, "DEADLINE")
    go_on.set()
    await first


@in_module_loop
async def test_a_look_at_readiness_is_no_trace(start: Start, double: WorkerDouble, collector: Collector) -> None:
    running = await start()
    assert (await running.rest.get("/readyz")).status_code == 200
    tracing.stop_tracing()
    assert (double.traceparents, collector.spans()) == ([""], [])


def test_off_nothing_is_imported_and_every_span_is_the_same_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert not tracing.start_tracing("cxrshift-gateway")
    with tracing.span("one") as one:
        assert one is tracing.begin_call("two", parent=TRACEPARENT)
        carried: dict[str, bytes] = {}
        tracing.carry(carried)
        assert (carried, tracing.log_fields(one)) == ({}, {})
    script = (
        "import sys, cxrshift.gateway.admission, cxrshift.gateway.upstream, cxrshift.tracing\n"
        "assert not cxrshift.tracing.start_tracing('x')\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not tracing.start_tracing("cxrshift-gateway")


def test_a_batch_is_told_below_those_who_have_a_trace_and_whatever_else_came_is_no_harm(collector: Collector) -> None:
    other = TRACEPARENT.replace("0af7", "1af7").replace("b7ad", "c7ad")
    stages = {"decode": 0.25, "encode": 0.0, "search": 0.5, "total": 1.0}
    came = [TRACEPARENT.encode(), None, b"\xff\xfe", b"no trace", 7, "text", bytearray(other.encode())]
    tracing.record_batch(came, stages, batch_size=len(came))
    tracing.stop_tracing()
    spans = collector.spans()
    assert sorted(span.name for span in spans) == ["batch", "batch", "decode", "decode", "search", "search"]
    mine = {span.name: span for span in spans if span.trace == TRACE}
    assert (mine["batch"].parent, mine["batch"].links) == (PARENT, (PARENT.replace("b7ad", "c7ad"),))
    assert mine["batch"].attributes == {"cxrshift.batch_size": 7}
    assert mine["decode"].start == mine["batch"].start
    assert mine["search"].start == mine["decode"].end == mine["batch"].start + 250_000_000
    assert mine["batch"].end - mine["batch"].start == 1_000_000_000
