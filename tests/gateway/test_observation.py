"""What metrics and log tell, and what they must never tell."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from pathlib import Path
from xml.etree import ElementTree

import grpc
import pytest

from cxrshift.telemetry import JsonFormatter, configure_logging
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ExplainOptions
from tests.gateway.infer_requests import file_input, rpc, stub_of
from tests.gateway.running import Start, grpc_problem, request
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import DIED, WorkerDouble, answer, fail
from tests.image.dicom_files import dicom_file, ramp

in_module_loop = pytest.mark.asyncio(loop_scope="module")


@in_module_loop
async def test_the_metrics_tell_of_the_work(start: Start) -> None:
    running = await start()
    await running.stub.Explain(request(ExplainOptions(("Effusion", "Cardiomegaly"))))
    await running.rest.post("/v1/explain", content=npy_image(), headers={"accept": "image/png"})
    await running.rest.post("/v1/explain?frames=no", content=npy_image())
    ended = await running.samples("cxrshift_request_seconds_count")
    assert ended == {
        ("OK", "explain", "grpc"): 1.0,
        ("OK", "explain", "rest"): 1.0,
        ("INVALID_REQUEST", "explain", "rest"): 1.0,
    }
    assert (await running.samples("cxrshift_problems_total"))[("INVALID_REQUEST",)] == 1.0
    assert await running.samples("cxrshift_stop_total") == {("target", "below"): 3.0, ("last-lambda", "above"): 3.0}
    stages = await running.samples("cxrshift_stage_seconds_sum")
    assert {key: round(value, 6) for key, value in stages.items() if key != ("render",)} == {
        ("decode",): 0.002, ("encode",): 0.004, ("gradient",): 0.006, ("search",): 0.008, ("frames",): 0.01,
        ("saliency",): 0.0,
    }  # fmt: skip
    assert 0 < stages[("render",)] < 10
    assert await running.samples("cxrshift_batch_size_sum") == {(): 6.0}
    assert (await running.samples("cxrshift_batch_size_bucket"))[("2.0",)] == 0.0
    assert await running.samples("cxrshift_rows_sum") == {(): 48.0}
    assert await running.samples("cxrshift_queue_seconds_count") == {(): 2.0}
    assert await running.samples("cxrshift_in_flight") == {(): 0.0}


@in_module_loop
@pytest.mark.usefixtures("own_logging")
async def test_nothing_that_a_caller_sent_is_in_metrics_or_log(start: Start, double: WorkerDouble) -> None:
    stream = io.StringIO()
    configure_logging("DEBUG", stream=stream)
    running = await start()
    secret = npy_image() + b"DOE^JANE"
    names = {"model": "DOE^JANE", "finding": "DOE^JANE", "DOE^JANE": "1"}
    await running.rest.post("/v1/explain", params=names, content=secret)
    await running.rest.post("/v1/explain", params={"finding": "DOE^JANE"}, content=secret)
    await running.rest.post("/v1/classify", files={"file": ("DOE^JANE.dcm", secret)})
    infer = {"id": "DOE^JANE", "inputs": [file_input(secret)], "parameters": {"finding": "DOE^JANE"}}
    await running.rest.post("/v2/models/phantom/infer", json=infer)
    await running.rest.post("/v2/models/DOE^JANE/infer", json={"inputs": [{"name": "DOE^JANE"}]})
    await stub_of(running).ModelInfer(rpc(id="DOE^JANE"))
    await running.rest.get("/DOE^JANE", headers={"x-request-id": "DOE^JANE", "user-agent": "DOE^JANE"})
    await running.stub.Explain(request(ExplainOptions(("DOE^JANE",)), image=secret, request_id="kept-1"))

    async def break_down(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        raise RuntimeError("DOE^JANE")

    double.behave = break_down
    await grpc_problem(running.stub.Explain(request(image=secret)))
    metrics = (await running.rest.get(f"http://127.0.0.1:{running.gateway.ports.metrics}/metrics")).text
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "JANE" not in stream.getvalue()
    assert "JANE" not in metrics
    assert next(line for line in lines if line.get("request_id") == "kept-1")["code"] == "OK"
    assert len([line for line in lines if line["event"] == "call"]) == 8
    assert set(re.findall(r'model="([^"]*)"', metrics)) == {"phantom"}


def test_a_librarys_line_loses_its_text_and_an_exception_its_message() -> None:
    stream = io.StringIO()
    logger = logging.Logger("some.library")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    try:
        raise ValueError("DOE^JANE")
    except ValueError:
        logger.exception("while reading %s", "DOE^JANE")
    line = json.loads(stream.getvalue())
    assert "JANE" not in stream.getvalue()
    assert (line["event"], line["logger"], line["level"]) == ("library", "some.library", "error")
    assert line["fault"].startswith("ValueError at test_observation.py:")


@in_module_loop
async def test_each_access_is_audited_with_who_which_study_and_how_it_ended(start: Start, tmp_path: Path) -> None:
    trail = tmp_path / "audit.xml"
    running = await start(audit_file=trail)
    film = dicom_file(ramp(), StudyInstanceUID="1.2.840.7")
    await running.rest.post("/v1/explain", content=film)
    await running.rest.post("/v1/classify", content=npy_image())
    await running.stub.Explain(request(image=film))
    with pytest.raises(grpc.RpcError):
        await running.stub.Explain(request(image=film, model="unknown"))
    await running.rest.get("/v1/models")
    told = [ElementTree.fromstring(line) for line in trail.read_bytes().splitlines()]
    assert [(message[0].get("EventOutcomeIndicator"), message[1].get("UserID")) for message in told] == [
        ("0", "127.0.0.1"),
        ("0", "127.0.0.1"),
        ("0", "127.0.0.1"),
        ("8", "127.0.0.1"),
    ]
    studies = [
        part.get("ParticipantObjectID") for message in told for part in message.iter() if "ObjectID" in str(part.attrib)
    ]
    assert studies == ["1.2.840.7"] * 3


@in_module_loop
async def test_gauges_tell_how_full_the_service_is(start: Start, double: WorkerDouble) -> None:
    running = await start(max_in_flight=1, queue=2)
    go_on = asyncio.Event()

    async def hold(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        if work.HasField("explain"):
            await go_on.wait()
        return await answer(work, number)

    double.behave = hold
    calls = [asyncio.ensure_future(running.stub.Explain(request())) for _ in range(3)]
    async with asyncio.timeout(20):
        while (await running.samples("cxrshift_in_flight"))[()] < 3:
            await asyncio.sleep(0.01)
    names = ("cxrshift_in_work", "cxrshift_waiting", "cxrshift_places", "cxrshift_queue_places", "cxrshift_in_flight")
    assert [(await running.samples(name))[()] for name in names] == [1.0, 2.0, 1.0, 2.0, 3.0]
    go_on.set()
    await asyncio.gather(*calls)
    assert [(await running.samples(name))[()] for name in names] == [0.0, 0.0, 1.0, 2.0, 0.0]


@in_module_loop
async def test_whether_a_model_answers_is_looked_at_when_prometheus_asks(start: Start, double: WorkerDouble) -> None:
    running = await start(readiness_timeout=0.5)
    assert await running.samples("cxrshift_model_ready") == {("phantom",): 1.0}
    assert await running.samples("cxrshift_ready") == {(): 1.0}
    assert [work.WhichOneof("work") for work in double.works] == ["classify"]  # the second scrape believed the first
    double.behave = fail(DIED)
    await grpc_problem(running.stub.Explain(request()))
    assert await running.samples("cxrshift_model_ready") == {("phantom",): 0.0}
    assert await running.samples("cxrshift_ready") == {(): 0.0}
