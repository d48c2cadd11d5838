"""The Open Inference Protocol over real sockets, spelt out byte by byte: what it gives."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from cxrshift.gateway.oip.answers import OUTPUTS
from cxrshift.gateway.oip.questions import INPUTS, PARAMETERS
from cxrshift_api import codec, explain_pb2
from cxrshift_api import open_inference_pb2 as pb
from cxrshift_api.types import ExplainOptions, HeatmapKind, Problem, ProblemCode, Profile, SaliencyKind
from tests.gateway.infer_requests import INFER, RAMP, asked_of, binary, file_input, pixel_input, rpc, stub_of
from tests.gateway.running import Running, Start
from tests.gateway.samples import CLASSIFIED, SIDE, explain_reply, npy_image
from tests.gateway.worker_double import WorkerDouble, refuse, sleep

in_module_loop = pytest.mark.asyncio(loop_scope="module")


@in_module_loop
async def test_the_server_and_its_model_tell_what_they_are_with_real_shapes(running: Running) -> None:
    assert (await running.rest.get("/v2/health/live")).json() == {"live": True}
    assert (await running.rest.get("/v2/health/ready")).json() == {"ready": True}
    server = (await running.rest.get("/v2")).json()
    assert (server["name"], server["extensions"]) == ("cxrshift", ["binary_tensor_data", "parameters"])
    told = (await running.rest.get("/v2/models/phantom")).json()
    assert told == (await running.rest.get("/v2/models/phantom/versions/1.2.0")).json()
    assert (told["name"], told["versions"]) == ("phantom", ["1.2.0"])
    assert told["inputs"] == [
        {"name": "image", "datatype": "BYTES", "shape": [1]},
        {"name": "pixels", "datatype": "FP32", "shape": [-1, -1]},
    ]
    assert {"name": "frames", "datatype": "UINT8", "shape": [-1, SIDE, SIDE]} in told["outputs"]
    assert {"name": "scores", "datatype": "FP32", "shape": [-1, 2]} in told["outputs"]
    for path in ("/v2/models/phantom/ready", "/v2/models/phantom/versions/1.2.0/ready"):
        assert (await running.rest.get(path)).json() == {"name": "phantom", "ready": True}
    stub = stub_of(running)
    assert (await stub.ServerLive(pb.ServerLiveRequest())).live
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    assert (await stub.ModelReady(pb.ModelReadyRequest(name="phantom"))).ready
    assert (await stub.ServerMetadata(pb.ServerMetadataRequest())).version == server["version"]
    described = await stub.ModelMetadata(pb.ModelMetadataRequest(name="phantom"))
    rows = [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in described.outputs]
    assert rows == told["outputs"]


@in_module_loop
async def test_json_in_and_json_out_with_every_parameter(running: Running, double: WorkerDouble) -> None:
    document = {
        "id": "any text: ü",
        "parameters": {
            "finding": "Effusion", "profile": "fixed", "frames": 5, "heatmap": "mean", "lambda_min": -2,
            "lambda_max": 10.0, "saliency": "input-gradient,integrated-gradients", "source_frame": 2,
        },
        "inputs": [file_input(parameters={"content_type": "base64"})],
    }  # fmt: skip
    answer = await running.rest.post(INFER, json=document, headers={"x-request-id": "case-1"})
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], answer.headers["x-request-id"]) == ("application/json", "case-1")
    assert "batch" in answer.headers["server-timing"]
    told = answer.json()
    assert (told["model_name"], told["model_version"], told["id"]) == ("phantom", "1.2.0", "any text: ü")
    assert told["parameters"] == {"finding": "Effusion"}
    outputs = {output["name"]: output for output in told["outputs"]}
    kinds = (SaliencyKind.INPUT_GRADIENT, SaliencyKind.INTEGRATED_GRADIENTS)
    [expected] = explain_reply("Effusion", saliency=kinds).explanations
    assert outputs["frames"]["data"] == expected.frames.ravel().tolist()
    assert outputs["saliency"]["shape"] == [2, SIDE, SIDE]
    assert outputs["findings"]["data"] == ["Cardiomegaly", "Effusion"]
    words = json.loads(outputs["explanation"]["data"][0])
    assert words["saliency"] == ["input-gradient", "integrated-gradients"]
    assert "frames" not in words
    asked = asked_of(double)
    assert (asked.image, asked.model, asked.request_id) == (npy_image(), "phantom", "case-1")
    assert asked.options == ExplainOptions(
        ("Effusion",), Profile.FIXED, 5, HeatmapKind.MEAN, -2.0, 10.0, saliency=kinds, source_frame=2
    )


@in_module_loop
async def test_the_outputs_wanted_come_alone_in_their_order_each_in_its_form(running: Running) -> None:
    image = file_input(b"") | {"parameters": {"binary_data_size": 4 + len(npy_image())}}
    del image["data"]
    raw_one = {"parameters": {"binary_data": True}}
    outputs = [{"name": "heatmap", **raw_one}, {"name": "lambdas"}, {"name": "radiograph", **raw_one}]
    body = binary({"inputs": [image], "outputs": outputs}, len(npy_image()).to_bytes(4, "little") + npy_image())
    answer = await running.rest.post(INFER, **body)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    told, raw = json.loads(answer.content[:length]), answer.content[length:]
    [expected] = explain_reply().explanations
    assert [output["name"] for output in told["outputs"]] == ["heatmap", "lambdas", "radiograph"]
    assert raw == expected.heatmap.astype("<f4").tobytes() + expected.radiograph.tobytes()
    assert told["outputs"][1]["data"] == expected.lambdas.tolist()
    assert told["outputs"][2]["parameters"] == {"binary_data_size": SIDE * SIDE}


@in_module_loop
async def test_members_that_are_null_are_as_good_as_absent(running: Running, double: WorkerDouble) -> None:
    image = file_input(parameters=None)
    document = {"id": None, "inputs": [image], "outputs": None, "parameters": {"finding": "Effusion", "frames": None}}
    answer = await running.rest.post(INFER, json=document)
    assert answer.status_code == 200, answer.text
    assert asked_of(double).options == ExplainOptions(("Effusion",))


@in_module_loop
async def test_the_body_alone_can_be_the_image(running: Running, double: WorkerDouble) -> None:
    headers = {"Inference-Header-Content-Length": "0"}
    answer = await running.rest.post(INFER, content=npy_image(7), headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert asked_of(double).image == npy_image(7)


@in_module_loop
@pytest.mark.parametrize("datatype", ["UINT8", "UINT16", "FP32"])
@pytest.mark.parametrize("shape", [[3, 4], [1, 3, 4], [1, 1, 3, 4]])
async def test_pixels_mean_what_they_mean_in_an_npy_file(
    running: Running, double: WorkerDouble, datatype: str, shape: list[int]
) -> None:
    dtype = {"UINT8": "<u1", "UINT16": "<u2", "FP32": "<f4"}[datatype]
    pixels = RAMP if datatype == "FP32" else (200 * RAMP).astype(dtype)
    told = pixel_input(datatype=datatype, shape=shape, data=pixels.tolist())
    assert (await running.rest.post(INFER, json={"inputs": [told]})).status_code == 200
    over_rest = asked_of(double).image
    tensor = pb.ModelInferRequest.InferInputTensor(name="pixels", datatype=datatype, shape=shape)
    await stub_of(running).ModelInfer(rpc(inputs=[tensor], raw_input_contents=[pixels.astype(dtype).tobytes()]))
    assert asked_of(double).image == over_rest
    loaded = np.load(io.BytesIO(over_rest))
    assert loaded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(loaded, pixels)


@in_module_loop
async def test_typed_contents_are_answered_by_typed_contents(running: Running, double: WorkerDouble) -> None:
    contents = pb.InferTensorContents(bytes_contents=[npy_image()])
    image = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1], contents=contents)
    outputs = [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("frames", "lambdas", "findings")]
    reply = await stub_of(running).ModelInfer(rpc(inputs=[image], raw_input_contents=[], outputs=outputs, id="7"))
    [expected] = explain_reply().explanations
    assert (reply.id, reply.model_name, list(reply.raw_output_contents)) == ("7", "phantom", [])
    assert list(reply.outputs[0].contents.uint_contents) == expected.frames.ravel().tolist()
    assert list(reply.outputs[1].contents.fp32_contents) == expected.lambdas.tolist()
    assert list(reply.outputs[2].contents.bytes_contents) == [b"Cardiomegaly", b"Effusion"]


@in_module_loop
async def test_who_wants_scores_alone_gets_a_classification(running: Running, double: WorkerDouble) -> None:
    outputs = [{"name": "radiograph_scores"}, {"name": "findings"}]
    answer = await running.rest.post(INFER, json={"inputs": [file_input()], "outputs": outputs})
    scores, findings = answer.json()["outputs"]
    assert scores["data"] == pytest.approx([each.score for each in CLASSIFIED.scores])
    assert findings["data"] == ["Cardiomegaly", "Effusion"]
    assert double.works[-1].WhichOneof("work") == "classify"


@in_module_loop
async def test_findings_that_were_explained_and_are_not_told_are_named(running: Running, double: WorkerDouble) -> None:
    async def two(work: Any, number: int) -> Any:
        reply = codec.encode_explain_reply(explain_reply("Effusion", "Cardiomegaly"))
        return explain_pb2.WorkReply(explain=reply)

    double.behave = two
    reply = await stub_of(running).ModelInfer(rpc())
    told = {name: value.string_param for name, value in reply.parameters.items()}
    assert told == {"finding": "Effusion", "findings_left_out": "Cardiomegaly"}


@in_module_loop
async def test_calls_are_counted_by_their_own_names_and_deadlines_are_kept(start: Start, double: WorkerDouble) -> None:
    running = await start()
    await running.rest.get("/v2/models/phantom")
    await stub_of(running).ModelMetadata(pb.ModelMetadataRequest(name="phantom"))
    double.behave = sleep(5)
    late = {"inputs": [file_input()], "parameters": {"timeout": 50_000}}  # microseconds
    assert (await running.rest.post(INFER, json=late)).status_code == 504
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub_of(running).ModelInfer(rpc(parameters={"timeout": pb.InferParameter(int64_param=50_000)}))
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert await running.samples("cxrshift_request_seconds_count") == {
        ("OK", "model_metadata", "rest"): 1.0,
        ("OK", "model_metadata", "grpc"): 1.0,
        ("DEADLINE", "infer", "rest"): 1.0,
        ("DEADLINE", "infer", "grpc"): 1.0,
    }


@in_module_loop
async def test_a_model_that_does_not_answer_is_not_ready(start: Start, double: WorkerDouble) -> None:
    running = await start(readiness_timeout=0.3)
    double.behave = refuse(Problem(ProblemCode.INTERNAL, "The worker failed."))
    answer = await running.rest.get("/v2/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert (await running.rest.get("/v2/models/phantom/ready")).status_code == 503
    assert (await running.rest.get("/v2/models/phantom")).status_code == 503
    stub = stub_of(running)
    assert not (await stub.ServerReady(pb.ServerReadyRequest())).ready
    assert not (await stub.ModelReady(pb.ModelReadyRequest(name="phantom"))).ready


def test_the_document_tells_every_input_output_and_parameter() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/oip.md").read_text("utf-8")
    for name in (*OUTPUTS, *PARAMETERS, *(info.name for info in INPUTS)):
        assert f"`{name}`" in text
