"""The gRPC service over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ExplainOptions, HeatmapKind, Problem, ProblemCode, Profile, SaliencyKind
from tests.gateway.running import Running, Start, grpc_problem, request
from tests.gateway.samples import CLASSIFIED, REPORT, explain_reply, npy_image, same_explanation
from tests.gateway.worker_double import DIED, WorkerDouble, fail, refuse

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUSES = {
    "INVALID_REQUEST": "INVALID_ARGUMENT", "INVALID_IMAGE": "INVALID_ARGUMENT", "UNAUTHENTICATED": "UNAUTHENTICATED",
    "FORBIDDEN": "PERMISSION_DENIED", "UNKNOWN_MODEL": "NOT_FOUND", "TOO_LARGE": "RESOURCE_EXHAUSTED",
    "UNSUPPORTED_IMAGE": "INVALID_ARGUMENT", "UNKNOWN_FINDING": "INVALID_ARGUMENT",
    "UNTRAINED_FINDING": "INVALID_ARGUMENT", "OVERLOADED": "RESOURCE_EXHAUSTED", "CANCELLED": "CANCELLED",
    "INTERNAL": "INTERNAL", "UNAVAILABLE": "UNAVAILABLE", "DEADLINE": "DEADLINE_EXCEEDED",
}  # fmt: skip
OPTIONS = ExplainOptions(("Effusion", "Cardiomegaly"), Profile.GIFSPLANATION, 7, HeatmapKind.INTEGRATED)


async def test_an_explanation_passes_through_unchanged_and_uncompressed(running: Running, double: WorkerDouble) -> None:
    call = running.stub.Explain(request(OPTIONS), metadata=(("x-request-id", "case-2"),))
    message = await call
    assert dict(await call.initial_metadata())["x-request-id"] == "case-2"
    assert message.explanations[0].frames.encoding == pb.Array.RAW
    reply = codec.decode_explain_reply(message)
    assert reply.request_id == "case-2"
    assert all(map(same_explanation, reply.explanations, explain_reply(*OPTIONS.findings).explanations))
    asked = codec.decode_explain_request(double.works[0].explain)
    assert (asked.options, asked.image, asked.model, asked.request_id) == (OPTIONS, npy_image(), "phantom", "case-2")


async def test_arrays_that_are_not_compressed_pass_through_byte_for_byte(
    running: Running, double: WorkerDouble
) -> None:
    sent = codec.encode_explain_reply(
        explain_reply(*OPTIONS.findings, request_id="case-3", saliency=tuple(SaliencyKind))
    )

    async def plain(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        return pb.WorkReply(explain=sent, report=codec.encode_report(REPORT))

    double.behave = plain
    over_grpc = await running.stub.Explain(request(OPTIONS))
    over_rest = await running.rest.post(
        "/v1/explain", content=npy_image(), headers={"accept": "application/x-protobuf"}
    )
    assert codec.to_bytes(over_grpc) == over_rest.content == codec.to_bytes(sent)


async def test_an_array_that_contradicts_its_shape_is_the_workers_fault(running: Running, double: WorkerDouble) -> None:
    broken = codec.encode_explain_reply(explain_reply("Effusion"))
    broken.explanations[0].frames.data = b"short"

    async def wrong(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        return pb.WorkReply(explain=broken, report=codec.encode_report(REPORT))

    double.behave = wrong
    _, problem = await grpc_problem(running.stub.Explain(request(OPTIONS)))
    assert problem.code == "INTERNAL"


async def test_both_protocols_tell_where_the_time_went(running: Running) -> None:
    told = (
        "decode;dur=1.000, encode;dur=2.000, gradient;dur=3.000, search;dur=4.000, frames;dur=5.000, total;dur=15.000"
    )
    call = running.stub.Explain(request(OPTIONS))
    await call
    assert dict(await call.trailing_metadata())["server-timing"] == told + ', batch;desc="3"'
    for path in ("/v1/explain", "/v1/classify"):
        answer = await running.rest.post(path, content=npy_image())
        assert answer.headers["server-timing"] == told + ', batch;desc="3"'


async def test_traditional_maps_pass_through_and_come_with_the_heatmap(running: Running, double: WorkerDouble) -> None:
    options = ExplainOptions(("Effusion",), saliency=tuple(SaliencyKind))
    [expected] = explain_reply("Effusion", saliency=options.saliency).explanations
    reply = codec.decode_explain_reply(await running.stub.Explain(request(options)))
    assert same_explanation(reply.explanations[0], expected)
    assert codec.decode_explain_request(double.works[0].explain).options == options
    _, heatmap, whole = [event async for event in running.stub.ExplainStream(request(options))]
    assert list(heatmap.heatmap.saliency) == list(whole.explanation.saliency)
    assert same_explanation(codec.decode_explanation(whole.explanation), expected)


async def test_the_request_id_of_the_message_wins_and_a_missing_one_is_made(
    running: Running, double: WorkerDouble
) -> None:
    await running.stub.Explain(request(request_id="mine"), metadata=(("x-request-id", "theirs"),))
    call = running.stub.Explain(request())
    made = (await call).request_id
    assert [work.explain.request_id for work in double.works] == ["mine", made]
    assert len(made) == 16
    assert dict(await call.initial_metadata())["x-request-id"] == made


async def test_a_stream_tells_acceptance_then_each_heatmap_before_its_frames(running: Running) -> None:
    events = [event async for event in running.stub.ExplainStream(request(OPTIONS))]
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["progress", "heatmap", "explanation", "heatmap", "explanation"]
    assert events[0].progress.stage == "accepted"
    expected = explain_reply(*OPTIONS.findings).explanations
    for early, late, whole in zip(events[1::2], events[2::2], expected, strict=True):
        heatmap = codec.decode_explanation(early.heatmap)
        assert heatmap.frames.shape == (0, 24, 24)
        np.testing.assert_array_equal(heatmap.heatmap, whole.heatmap)
        assert same_explanation(codec.decode_explanation(late.explanation), whole)


async def test_classify_and_list_models(running: Running) -> None:
    message = await running.stub.Classify(pb.ClassifyRequest(image=npy_image(), request_id="c"))
    assert codec.decode_classify_reply(message).scores == CLASSIFIED.scores
    assert message.request_id == "c"
    listed = await running.stub.ListModels(pb.ListModelsRequest())
    assert [(m.name, m.version, m.default, m.ready) for m in listed.models] == [("phantom", "1.2.0", True, True)]


@pytest.mark.parametrize("code", ProblemCode)
async def test_a_problem_becomes_a_status_with_the_problem_in_its_trailing_metadata(
    running: Running, double: WorkerDouble, code: ProblemCode
) -> None:
    double.behave = refuse(Problem(code, "What is wrong and what would be right.", 2.5))
    error, problem = await grpc_problem(running.stub.Explain(request(request_id="p")))
    assert error.code().name == STATUSES[code]
    assert error.details() == "What is wrong and what would be right."
    assert (problem.code, problem.message, problem.retry_after) == (code, "What is wrong and what would be right.", 2.5)
    trailing: dict[str, Any] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]
    assert (trailing["retry-after"], trailing["x-request-id"]) == ("3", "p")


async def test_what_needs_no_worker_is_refused_without_one(start: Start, double: WorkerDouble) -> None:
    running = await start(max_request_bytes=2048)
    refusals = [
        (running.stub.Explain(request(model="secret")), "UNKNOWN_MODEL", "served are: phantom"),
        (running.stub.Explain(request(image=b"")), "INVALID_IMAGE", "no image"),
        (running.stub.Explain(request(image=bytes(2049))), "TOO_LARGE", "2048 bytes"),
        (running.stub.Explain(request(request_id="secret id")), "INVALID_REQUEST", "x-request-id"),
        (running.stub.Explain(pb.ExplainRequest(image=b"x", options=_UNKNOWN_PROFILE)), "INVALID_REQUEST", "profile"),
        (running.stub.Classify(pb.ClassifyRequest(image=bytes(2049))), "TOO_LARGE", "2048 bytes"),
        (running.stub.ExplainStream(request(model="secret")).read(), "UNKNOWN_MODEL", "served are: phantom"),
    ]
    for call, code, words in refusals:
        error, problem = await grpc_problem(call)
        assert (problem.code, error.code().name) == (code, STATUSES[code])
        assert words in problem.message
        assert "secret" not in problem.message
    assert double.works == []
    with pytest.raises(grpc.aio.AioRpcError) as raised:  # gRPC itself stops what is far too large
        await running.stub.Explain(request(image=bytes(8192)))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


_UNKNOWN_PROFILE = pb.ExplainOptions(profile=99)  # type: ignore[arg-type]


async def test_health_follows_readiness_for_both_names(start: Start, double: WorkerDouble) -> None:
    running = await start(readiness_timeout=0.5)
    health = HealthStub(running.channel)

    async def status(service: str) -> str:
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    double.behave = fail(DIED)
    assert await status("") == "NOT_SERVING"
    double.reset()
    assert [await status(""), await status("cxrshift.v1.Explainer")] == ["SERVING", "SERVING"]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status("another.Service")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watcher_hears_each_change(start: Start, double: WorkerDouble) -> None:
    running = await start(readiness_period=0.05)
    watch = HealthStub(running.channel).Watch(health_pb2.HealthCheckRequest(service=""))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    double.behave = fail(DIED)
    assert (await asyncio.wait_for(watch.read(), 10)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    unknown = HealthStub(running.channel).Watch(health_pb2.HealthCheckRequest(service="another.Service"))
    assert (await unknown.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def test_reflection_tells_the_contract(running: Running) -> None:
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="cxrshift.v1.Explainer"),
    ]
    call = ServerReflectionStub(running.channel).ServerReflectionInfo(iter(asked))
    listed, described = [answer async for answer in call]
    assert {service.name for service in listed.list_services_response.service} == {
        "cxrshift.v1.Explainer", "inference.GRPCInferenceService", "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }  # fmt: skip
    file = FileDescriptorProto.FromString(described.file_descriptor_response.file_descriptor_proto[0])
    assert [method.name for method in file.service[0].method] == ["Explain", "ExplainStream", "Classify", "ListModels"]
