"""The REST service over a real socket: what is asked of the worker, what comes back, what is refused and how."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx
import pytest

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.json_codec import classify_reply_from_json, explain_reply_from_json, models_from_json
from cxrshift_api.types import ExplainOptions, HeatmapKind, Problem, ProblemCode, Profile, SaliencyKind
from tests.gateway.running import Running, Start
from tests.gateway.samples import CLASSIFIED, MODEL, explain_reply, npy_image, same_explanation
from tests.gateway.worker_double import Failure, WorkerDouble, fail, refuse

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUSES = {
    "INVALID_REQUEST": 400, "INVALID_IMAGE": 400, "UNAUTHENTICATED": 401, "FORBIDDEN": 403, "UNKNOWN_MODEL": 404,
    "TOO_LARGE": 413, "UNSUPPORTED_IMAGE": 415, "UNKNOWN_FINDING": 422, "UNTRAINED_FINDING": 422, "OVERLOADED": 429,
    "CANCELLED": 499, "INTERNAL": 500, "UNAVAILABLE": 503, "DEADLINE": 504,
}  # fmt: skip


def assert_problem(answer: httpx.Response, status: int, code: str, words: str = "") -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    told: dict[str, Any] = answer.json()
    assert (told["status"], told["code"], told["request_id"]) == (status, code, answer.headers["x-request-id"])
    assert words in told["detail"]
    assert told["title"]
    assert told["type"].startswith("urn:")
    return told


async def test_a_raw_body_is_explained_with_the_options_of_the_query(running: Running, double: WorkerDouble) -> None:
    answer = await running.rest.post(
        "/v1/explain",
        params={
            "finding": ["Effusion", "Cardiomegaly"], "profile": "fixed", "frames": 5, "heatmap": "mean",
            "lambda_min": -2, "lambda_max": 1e1, "model": "phantom",
        },
        content=npy_image(),
        headers={"x-request-id": "case-1"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "case-1"
    assert answer.headers["cache-control"] == "no-store"
    reply = explain_reply_from_json(answer.json())
    assert reply.request_id == "case-1"
    assert all(map(same_explanation, reply.explanations, explain_reply("Effusion", "Cardiomegaly").explanations))
    asked = codec.decode_explain_request(double.works[0].explain)
    assert (asked.image, asked.model, asked.request_id) == (npy_image(), "phantom", "case-1")
    assert asked.options == ExplainOptions(
        ("Effusion", "Cardiomegaly"), Profile.FIXED, 5, HeatmapKind.MEAN, lambda_min=-2.0, lambda_max=10.0
    )


@pytest.mark.parametrize(
    "query",
    [
        "saliency=integrated-gradients&saliency=input-gradient",
        "saliency=integrated-gradients,input-gradient",
    ],
)
async def test_maps_are_asked_for_one_by_one_or_joined_by_commas(
    running: Running, double: WorkerDouble, query: str
) -> None:
    answer = await running.rest.post(f"/v1/explain?{query}", content=npy_image())
    assert answer.status_code == 200, answer.text
    asked = codec.decode_explain_request(double.works[0].explain)
    assert asked.options.saliency == (SaliencyKind.INTEGRATED_GRADIENTS, SaliencyKind.INPUT_GRADIENT)


async def test_a_map_that_is_not_known_is_refused_without_repeating_it(running: Running) -> None:
    answer = await running.rest.post("/v1/explain", params={"saliency": "input-gradient,grad-cam"}, content=npy_image())
    told = assert_problem(answer, 400, "INVALID_REQUEST", "The query parameter saliency is wrong: Input should be")
    assert "'guided-backpropagation'" in told["detail"]
    assert "grad-cam" not in answer.text


async def test_who_asks_for_no_map_gets_the_json_that_there_was_before_maps(running: Running) -> None:
    answer = await running.rest.post("/v1/explain", content=npy_image())
    assert answer.status_code == 200
    assert "saliency" not in answer.text


async def test_a_form_with_a_file_is_the_same_as_a_raw_body(running: Running, double: WorkerDouble) -> None:
    answer = await running.rest.post("/v1/explain", files={"file": ("Doe^Jane.dcm", npy_image(3))})
    assert answer.status_code == 200, answer.text
    asked = codec.decode_explain_request(double.works[0].explain)
    assert (asked.image, asked.options) == (npy_image(3), ExplainOptions())
    assert asked.request_id == answer.headers["x-request-id"] != ""


@pytest.mark.parametrize(
    "form",
    [
        {"files": {"image": ("a.png", b"x")}},
        {"files": [("file", ("a.png", b"x")), ("file", ("b.png", b"y"))]},
        {"files": {"file": ("a.png", b"x")}, "data": {"finding": "Effusion"}},
        {"content": b"no form at all", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data"}},
    ],
)
async def test_another_form_is_refused_with_advice(running: Running, form: dict[str, Any]) -> None:
    answer = await running.rest.post("/v1/explain", **form)
    assert_problem(answer, 400, "INVALID_REQUEST", "one part, a file named file")


async def test_classify_and_models_answer_in_json_and_protobuf(running: Running, double: WorkerDouble) -> None:
    answer = await running.rest.post("/v1/classify", content=npy_image(), headers={"x-request-id": "c"})
    assert classify_reply_from_json({**answer.json(), "request_id": ""}) == CLASSIFIED
    assert answer.json()["request_id"] == "c"
    (model,) = models_from_json((await running.rest.get("/v1/models")).json())
    assert (model.name, model.default, model.ready, model.findings) == ("phantom", True, True, MODEL.findings)
    raw = {"accept": "application/x-protobuf"}
    classified = await running.rest.post("/v1/classify", content=npy_image(), headers=raw)
    assert pb.ClassifyReply.FromString(classified.content).scores[0].finding == "Cardiomegaly"
    listed = await running.rest.get("/v1/models", headers=raw)
    assert pb.ListModelsReply.FromString(listed.content).models[0].version == "1.2.0"
    asked = [work.WhichOneof("work") for work in double.works]
    assert asked == ["classify", "describe", "classify"]  # a model's description is remembered


@pytest.mark.parametrize("code", ProblemCode)
async def test_a_problem_of_the_worker_keeps_its_code_and_gets_its_status(
    running: Running, double: WorkerDouble, code: ProblemCode
) -> None:
    double.behave = refuse(Problem(code, "What is wrong and what would be right.", 2.5))
    answer = await running.rest.post("/v1/explain", content=npy_image())
    told = assert_problem(answer, STATUSES[code], code, "What is wrong and what would be right.")
    assert (told["retry_after"], answer.headers["retry-after"]) == (2.5, "3")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("frames=secret", "frames is wrong: Input should be a valid integer"),
        ("frames=102", "frames is wrong: Input should be less than or equal to 101"),
        ("profile=secret", "profile is wrong: Input should be 'two-sided', 'latentshift', 'gifsplanation' or 'fixed'"),
        ("lambda_min=nan", "lambda_min is wrong"),
        ("timeout=0", "timeout is wrong"),
        ("secret=1", "not known here; known are: model, timeout, finding, profile, frames, heatmap"),
        ("frames=3&frames=5", "frames is given more than once"),
    ],
)
async def test_a_wrong_query_is_told_what_would_be_right_without_its_own_words(
    running: Running, double: WorkerDouble, query: str, words: str
) -> None:
    answer = await running.rest.post(f"/v1/explain?{query}", content=npy_image())
    told = assert_problem(answer, 400, "INVALID_REQUEST", words)
    assert "secret" not in json.dumps(told)
    assert double.works == []


async def test_what_needs_no_worker_is_refused_without_one(start: Start, double: WorkerDouble) -> None:
    running = await start(models=("phantom", "other"), max_request_bytes=2048)
    rest = running.rest
    answer = await rest.post("/v1/explain?model=secret", content=npy_image())
    told = assert_problem(answer, 404, "UNKNOWN_MODEL", "served are: phantom, other")
    assert "secret" not in told["detail"]
    assert_problem(await rest.post("/v1/explain", content=b""), 400, "INVALID_IMAGE", "no image")
    assert_problem(await rest.post("/v1/explain", content=bytes(2049)), 413, "TOO_LARGE", "2048 bytes")

    async def chunks() -> Any:
        for _ in range(3):
            yield bytes(1000)

    assert_problem(await rest.post("/v1/classify", content=chunks()), 413, "TOO_LARGE", "2048 bytes")
    assert_problem(await rest.post("/v1/explain", files={"file": bytes(2049)}), 413, "TOO_LARGE", "2048 bytes")
    assert_problem(await rest.post("/v1/explain", files={"file": bytes(1 << 20)}), 413, "TOO_LARGE", "2048 bytes")
    answer = await rest.post("/v1/explain", content=npy_image(), headers={"x-request-id": "secret id"})
    told = assert_problem(answer, 400, "INVALID_REQUEST", "x-request-id must be 1 to 64 characters")
    assert "secret" not in json.dumps(told)
    assert double.works == []
    assert (await rest.post("/v1/explain?model=other", content=npy_image())).status_code == 200
    assert double.models == ["other"]


async def test_paths_methods_and_forms_that_are_not_there_are_problems_too(running: Running) -> None:
    assert_problem(await running.rest.get("/v1/nothing"), 404, "INVALID_REQUEST", "/docs")
    assert_problem(await running.rest.post("/v1/explain/", content=npy_image()), 404, "INVALID_REQUEST", "/docs")
    answer = await running.rest.get("/v1/explain")
    assert_problem(answer, 405, "INVALID_REQUEST", "POST only")
    assert answer.headers["allow"] == "POST"
    answer = await running.rest.post("/v1/explain", content=npy_image(), headers={"accept": "video/webm"})
    assert_problem(answer, 406, "INVALID_REQUEST", "application/json, image/gif, image/webp, image/png, video/mp4")


async def test_an_answer_on_a_kept_connection_does_not_wait_for_the_callers_acknowledgement(running: Running) -> None:
    seconds = [(await running.rest.get("/healthz")).elapsed.total_seconds() for _ in range(20)]
    assert min(seconds[1:]) < 0.03  # 40 ms each, where small packets are held back


async def test_health_is_the_process_and_readiness_a_real_inference(start: Start, double: WorkerDouble) -> None:
    running = await start(readiness_timeout=0.3)
    assert (await running.rest.get("/healthz")).json() == {"status": "ok"}
    assert double.works == []
    answers = [await running.rest.get("/readyz") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [work.WhichOneof("work") for work in double.works] == ["classify"]  # the other four believed the first


@pytest.mark.parametrize(
    "failure",
    [
        fail(Failure(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")),
        refuse(Problem(ProblemCode.INTERNAL, "The worker failed.")),
    ],
)
async def test_readiness_says_no_when_the_model_does_not_answer(
    start: Start, double: WorkerDouble, failure: Any
) -> None:
    running = await start()
    double.behave = failure
    answer = await running.rest.get("/readyz")
    assert_problem(answer, 503, "UNAVAILABLE", "No answer from the models: phantom.")
    assert answer.headers["retry-after"] == "1"
