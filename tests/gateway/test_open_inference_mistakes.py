"""The Open Inference Protocol over real sockets: what it refuses, and how."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrshift.errors import InvalidRequest
from cxrshift.gateway.oip.http_request import read_infer
from cxrshift.gateway.oip.messages import decode_infer
from cxrshift.gateway.oip.questions import read_question
from cxrshift_api import open_inference_pb2 as pb
from cxrshift_api.types import Problem, ProblemCode
from tests.gateway.infer_requests import INFER, RAMP, binary, file_input, pixel_input, rpc, stub_of
from tests.gateway.running import Running, Start, grpc_problem
from tests.gateway.test_grpc import STATUSES as RPC_STATUSES
from tests.gateway.test_rest import STATUSES as HTTP_STATUSES
from tests.gateway.worker_double import WorkerDouble, refuse

in_module_loop = pytest.mark.asyncio(loop_scope="module")


TEXT_MISTAKES: list[tuple[Any, str]] = [
    ({"inputs": []}, "exactly one input: image or pixels"),
    ({"inputs": [file_input(), pixel_input()]}, "exactly one input"),
    ({}, "inputs is wrong: Field required"),
    ([], "The request is wrong"),
    ({"inputs": [file_input(name="secret")]}, "an input that is not known here; known are: image, pixels"),
    ({"inputs": [file_input()], "outputs": [{"name": "secret"}]}, "an output that is not known here; known are: fr"),
    ({"inputs": [file_input()], "parameters": {"secret": 1}}, "a parameter that is not known here; known are: timeout"),
    ({"inputs": [file_input()], "parameters": {"frames": 102}}, "frames is wrong: Input should be less than or equal"),
    ({"inputs": [file_input()], "parameters": {"frames": "secret"}}, "frames is wrong: Input should be a valid int"),
    ({"inputs": [file_input()], "parameters": {"finding": 5}}, "The parameter finding must be a string"),
    ({"inputs": [file_input()], "parameters": {"saliency": "secret"}}, "saliency is wrong"),
    ({"inputs": [file_input()], "parameters": {"secret": {"a": 1}}}, "parameters is wrong: it must be an object of"),
    ({"inputs": [file_input()], "parameters": {"timeout": 0}}, "timeout is wrong"),
    ({"inputs": [file_input(data=["secret!"])]}, "image must be base64"),
    ({"inputs": [file_input(data=[5])]}, "image must be base64"),
    ({"inputs": [file_input(data=None)]}, "image has no data"),
    ({"inputs": [file_input(shape=[2])]}, "1 elements where its shape needs 2"),
    ({"inputs": [file_input(shape=[2], data=["QQ==", "QQ=="])]}, "send one radiograph per request"),
    ({"inputs": [file_input(datatype="UINT8", data=[1])]}, "The input image must be BYTES"),
    ({"inputs": [file_input(datatype="secret")]}, "datatype of the tensor image must be one of"),
    ({"inputs": [pixel_input(datatype="BYTES", data=["QQ=="], shape=[1])]}, "pixels must be one of: UINT8"),
    ({"inputs": [pixel_input(shape=[4, 4])]}, "must be 16 numbers"),
    ({"inputs": [pixel_input(shape=[])]}, "1 to 8 extents"),
    ({"inputs": [pixel_input(shape=[-3, -4])]}, "1 to 8 extents"),
    ({"inputs": [pixel_input(shape=[1] * 9)]}, "1 to 8 extents"),
    ({"inputs": [pixel_input(shape=[10**30])]}, "must be 1000000000000000000000000000000 numbers"),
    ({"inputs": [pixel_input(shape=[12])]}, "must have the shape [H, W]"),
    ({"inputs": [pixel_input(shape=[3, 2, 2])]}, "send one radiograph per request"),
    ({"inputs": [pixel_input(data=[[1.0], [2.0, 3.0]])]}, "must be 12 numbers"),
    ({"inputs": [pixel_input(data=["secret"] * 12)]}, "must be 12 numbers"),
    ({"inputs": [pixel_input(data=[True] * 12)]}, "must be 12 numbers"),
    ({"inputs": [pixel_input(data=[10**400] * 12)]}, "must be 12 numbers"),
    ({"inputs": [pixel_input(data=[1.5] * 12)]}, "outside [0, 1]"),
    ({"inputs": [pixel_input(data=[1e300] * 12)]}, "outside [0, 1]"),
    ({"inputs": [pixel_input(data=[float("nan")] * 12)]}, "NaN and Infinity are no JSON"),
    ({"inputs": [pixel_input(datatype="UINT8", data=[256] * 12)]}, "12 numbers that UINT8 can hold"),
    ({"inputs": [pixel_input(datatype="UINT8", data=[0.5] * 12)]}, "12 numbers that UINT8 can hold"),
    ({"inputs": [pixel_input(parameters={"binary_data_size": 48})]}, "binary_data_size of the input pixels"),
    ({"inputs": [file_input()], "outputs": [{"name": "findings", "parameters": {"classification": 2}}]}, "class"),
]  # fmt: skip


@in_module_loop
@pytest.mark.parametrize(("document", "words"), TEXT_MISTAKES)
async def test_a_wrong_request_is_told_what_would_be_right_without_its_own_words(
    running: Running, double: WorkerDouble, document: Any, words: str
) -> None:
    answer = await running.rest.post(INFER, content=json.dumps(document), headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]
    assert "secret" not in answer.text
    assert double.works == []


NAN = np.full((3, 4), np.nan, "<f4").tobytes()


@in_module_loop
@pytest.mark.parametrize(
    ("changes", "raw", "length", "words"),
    [
        ({"parameters": {"binary_data_size": 48}}, RAMP.tobytes() + b"x", None, "more bytes behind the JSON"),
        ({"parameters": {"binary_data_size": 49}}, RAMP.tobytes(), None, "binary_data_size of the input pixels"),
        ({"parameters": {"binary_data_size": -1}}, RAMP.tobytes(), None, "binary_data_size of the input pixels"),
        ({"parameters": {"binary_data_size": True}}, RAMP.tobytes(), None, "binary_data_size of the input pixels"),
        ({"parameters": {"binary_data_size": 47}}, RAMP.tobytes()[:47], None, "47 bytes where its shape"),
        ({"parameters": {"binary_data_size": 48}}, NAN, None, "or NaN"),
        ({"parameters": {"binary_data_size": 48}}, RAMP.tobytes(), "9" * 6, "Inference-Header-Content-Length must"),
        ({"parameters": {"binary_data_size": 48}}, RAMP.tobytes(), "-1", "Inference-Header-Content-Length must"),
        ({"parameters": {"binary_data_size": 48}}, RAMP.tobytes(), "7", "not the JSON of an infer request"),
        (
            {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 8}},
            b"\xff\xff\xff\xffabcd", None, "cut short",
        ),
        (
            {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 8}},
            bytes(8), None, "2 elements where its shape needs 1",
        ),
    ],
)  # fmt: skip
async def test_lengths_that_lie_are_refused(
    running: Running, double: WorkerDouble, changes: dict[str, Any], raw: bytes, length: str | None, words: str
) -> None:
    told = pixel_input(**changes)
    del told["data"]
    body = binary({"inputs": [told]}, raw)
    body["headers"] |= {"Inference-Header-Content-Length": length} if length else {}
    answer = await running.rest.post(INFER, **body)
    assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text
    assert double.works == []


_IMAGE = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1])
_PIXELS = pb.ModelInferRequest.InferInputTensor(name="pixels", datatype="FP32", shape=[3, 4])
_BOTH = pb.ModelInferRequest.InferInputTensor(
    name="image", datatype="BYTES", shape=[1], contents=pb.InferTensorContents(bytes_contents=[b"x"])
)
_OTHER = pb.ModelInferRequest.InferInputTensor(
    name="pixels", datatype="FP32", shape=[3, 4], contents=pb.InferTensorContents(uint_contents=[1] * 12)
)
_SECRET = pb.ModelInferRequest.InferInputTensor(name="secret", datatype="BYTES", shape=[1])


@in_module_loop
@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (rpc(model_name="secret"), "UNKNOWN_MODEL", "served are: phantom"),
        (rpc(model_version="secret"), "UNKNOWN_MODEL", "served is: 1.2.0"),
        (rpc(inputs=[]), "INVALID_REQUEST", "one element for each input"),
        (rpc(inputs=[], raw_input_contents=[]), "INVALID_REQUEST", "exactly one input"),
        (rpc(inputs=[_SECRET]), "INVALID_REQUEST", "known are: image, pixels"),
        (rpc(raw_input_contents=[b"\x09\x00\x00\x00short"]), "INVALID_REQUEST", "cut short"),
        (rpc(raw_input_contents=[b""]), "INVALID_REQUEST", "0 elements where its shape needs 1"),
        (rpc(raw_input_contents=[bytes(4)]), "INVALID_IMAGE", "There is no image"),
        (rpc(raw_input_contents=[]), "INVALID_REQUEST", "0 elements where its shape needs 1"),
        (rpc(inputs=[_BOTH]), "INVALID_REQUEST", "not both"),
        (rpc(inputs=[_OTHER], raw_input_contents=[]), "INVALID_REQUEST", "in the contents of its datatype"),
        (rpc(inputs=[_PIXELS], raw_input_contents=[bytes(47)]), "INVALID_REQUEST", "47 bytes where"),
        (rpc(inputs=[_PIXELS], raw_input_contents=[NAN]), "INVALID_REQUEST", "or NaN"),
        (rpc(parameters={"frames": pb.InferParameter(int64_param=1)}), "INVALID_REQUEST", "frames is wrong"),
        (rpc(parameters={"secret": pb.InferParameter(bool_param=True)}), "INVALID_REQUEST", "known are: timeout"),
    ],
)
async def test_a_wrong_message_is_refused_with_status_and_problem(
    running: Running, double: WorkerDouble, message: pb.ModelInferRequest, code: str, words: str
) -> None:
    error, problem = await grpc_problem(stub_of(running).ModelInfer(message))
    assert (problem.code, error.code().name) == (code, RPC_STATUSES[code])
    assert words in (error.details() or "")
    assert "secret" not in problem.message
    assert not any(work.HasField("explain") for work in double.works)


@in_module_loop
@pytest.mark.parametrize("code", ProblemCode)
async def test_a_problem_of_the_worker_keeps_its_status_in_both_protocols(
    running: Running, double: WorkerDouble, code: ProblemCode
) -> None:
    double.behave = refuse(Problem(code, "What is wrong and what would be right.", 2.5))
    answer = await running.rest.post(INFER, json={"inputs": [file_input()]})
    assert (answer.status_code, answer.json()) == (
        HTTP_STATUSES[code],
        {"error": "What is wrong and what would be right."},
    )
    assert answer.headers["retry-after"] == "3"
    error, problem = await grpc_problem(stub_of(running).ModelInfer(rpc()))
    assert (error.code().name, problem.code) == (RPC_STATUSES[code], code)


@in_module_loop
async def test_what_is_not_there_is_said_in_the_protocols_own_form(start: Start, double: WorkerDouble) -> None:
    running = await start(max_request_bytes=2048)
    rest = running.rest
    for path, words in (
        ("/v2/models/secret", "served are: phantom"),
        ("/v2/models/secret/ready", "served are: phantom"),
        ("/v2/models/phantom/versions/9", "served is: 1.2.0"),
        ("/v2/repository/index", "/docs"),
        ("/v2/models/..%2f..%2fetc", ""),
    ):
        answer = await rest.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), path
        assert words in answer.json()["error"]
    assert (await rest.post("/v2/models/secret/infer", content=b"{}")).status_code == 404
    assert (await rest.get(INFER)).status_code == 405
    assert (await rest.post(INFER, content=bytes(1 << 20))).status_code == 413
    image = file_input(bytes(2049))
    assert (await rest.post(INFER, json={"inputs": [image]})).status_code == 413
    large = rpc(raw_input_contents=[(3000).to_bytes(4, "little") + bytes(3000)])
    error, problem = await grpc_problem(stub_of(running).ModelInfer(large))
    assert (problem.code, error.code().name) == ("TOO_LARGE", "RESOURCE_EXHAUSTED")
    packed = await rest.post(INFER, content=b"x", headers={"content-encoding": "gzip"})
    assert "Compressed requests are not taken" in packed.json()["error"]
    deep = await rest.post(INFER, content=b"[" * 60_000)
    assert deep.status_code == 400
    assert double.works == [] or all(work.HasField("describe") for work in double.works)


# ---- whatever is sent, it is read or refused ----

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_INPUT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "pixels"]) | _JSON,
        "datatype": st.sampled_from(["BYTES", "FP32", "UINT8", "UINT16"]) | _JSON,
        "shape": st.lists(st.integers(-2, 5), max_size=4) | _JSON,
    },
    optional={
        "data": st.lists(st.integers(0, 255), max_size=25) | _JSON,
        "parameters": st.dictionaries(st.just("binary_data_size"), st.integers(-1, 40)) | _JSON,
    },
)
_DOCUMENT = st.fixed_dictionaries(
    {"inputs": st.lists(_INPUT, max_size=2) | _JSON},
    optional={"outputs": _JSON, "parameters": st.dictionaries(st.sampled_from(["frames", "saliency"]), _JSON) | _JSON},
)


@given(_DOCUMENT | _JSON, st.binary(max_size=40), st.none() | st.integers(-1, 400))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_is_read_or_refused(document: Any, raw: bytes, length: int | None) -> None:
    text = json.dumps(document).encode()
    told = str(len(text) if raw and length is None else length) if raw or length is not None else None
    with suppress(InvalidRequest):
        read_question(read_infer(text + raw, told, "phantom", "").request)


_TENSORS = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["image", "pixels", ""]),
    datatype=st.sampled_from(["BYTES", "FP32", "UINT8", "UINT16", "FP64"]),
    shape=st.lists(st.integers(-2, 5), max_size=4),
    contents=st.none()
    | st.builds(
        pb.InferTensorContents,
        bytes_contents=st.lists(st.binary(max_size=4), max_size=3),
        fp32_contents=st.lists(st.floats(width=32), max_size=20),
        uint_contents=st.lists(st.integers(0, 2**32 - 1), max_size=20),
    ),
)


@given(st.lists(_TENSORS, max_size=2), st.lists(st.binary(max_size=40), max_size=2))
@settings(max_examples=100)
def test_any_message_is_read_or_refused(inputs: Any, raw: list[bytes]) -> None:
    with suppress(InvalidRequest):
        read_question(decode_infer(pb.ModelInferRequest(inputs=inputs, raw_input_contents=raw)))
