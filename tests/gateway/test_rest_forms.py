"""Every form that an Accept header can choose, read back by its own reader."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from cxrshift.gateway.bodies import ClassifyBody, ExplainBody, ModelsBody, ProblemBody
from cxrshift.render.animation import draw_pages, sweep_of
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.json_codec import (
    classify_reply_to_json,
    dump_json,
    explain_reply_from_json,
    explain_reply_to_json,
    models_to_json,
)
from cxrshift_api.types import Problem, ProblemCode, SaliencyKind
from tests.gateway.running import Running
from tests.gateway.samples import CLASSIFIED, MODEL, explain_reply, npy_image, same_explanation
from tests.gateway.worker_double import WorkerDouble, refuse

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = {"finding": ["Effusion", "Cardiomegaly"]}
EXPLANATIONS = explain_reply("Effusion", "Cardiomegaly").explanations


@pytest.mark.parametrize(
    ("media_type", "kind", "pages"), [("image/gif", "GIF", 3), ("image/webp", "WEBP", 3), ("image/png", "PNG", 1)]
)
async def test_an_image_shows_the_first_finding_and_says_what_it_leaves_out(
    running: Running, media_type: str, kind: str, pages: int
) -> None:
    answer = await running.rest.post(
        "/v1/explain", params={"finding": ["Effusion", "Pleural Thickening, λ"]}, content=npy_image(),
        headers={"accept": media_type},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], answer.headers["vary"]) == (media_type, "accept")
    assert answer.headers["cxrshift-finding"] == "Effusion"
    assert answer.headers["cxrshift-findings-left-out"] == "Pleural%20Thickening%2C%20%CE%BB"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == kind
        assert getattr(image, "n_frames", 1) >= pages


@pytest.mark.parametrize("accept", ["video/mp4", "video/*;q=0.9, image/gif;q=0.5"])
async def test_a_video_shows_the_first_finding_in_the_order_of_the_sweep(running: Running, accept: str) -> None:
    answer = await running.rest.post("/v1/explain", params=BOTH, content=npy_image(), headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4"), answer.text
    assert answer.headers["cxrshift-finding"] == "Effusion"
    assert answer.headers["cxrshift-findings-left-out"] == "Cardiomegaly"
    with av.open(io.BytesIO(answer.content), "r") as video:
        shown = [frame.to_ndarray(format="gray").astype(int) for frame in video.decode(video=0)]
    pages = [np.asarray(page, int) for page in draw_pages(EXPLANATIONS[0])]
    order = sweep_of(EXPLANATIONS[0])
    assert len(shown) == len(order)
    for frame, page in zip(shown, order, strict=True):
        assert np.abs(frame - pages[page]).mean() < 3.0


async def test_the_archive_holds_the_arrays(running: Running) -> None:
    answer = await running.rest.post(
        "/v1/explain", params=BOTH, content=npy_image(), headers={"accept": "application/x-npz"}
    )
    with np.load(io.BytesIO(answer.content)) as archive:
        arrays = [archive[name] for name in archive.files]
    for explanation in EXPLANATIONS:
        assert any(a.shape == explanation.frames.shape and (a == explanation.frames).all() for a in arrays)


async def test_traditional_maps_come_in_every_form_that_has_arrays(running: Running) -> None:
    kinds = (SaliencyKind.GUIDED_BACKPROPAGATION, SaliencyKind.INPUT_GRADIENT)
    [expected] = explain_reply("Effusion", saliency=kinds).explanations
    answers = {
        form: await running.rest.post(
            "/v1/explain",
            params={"finding": "Effusion", "saliency": list(kinds)},
            content=npy_image(),
            headers={"accept": form},
        )
        for form in ("application/json", "application/x-protobuf", "application/x-npz")
    }
    json_reply = explain_reply_from_json(answers["application/json"].json())
    assert same_explanation(json_reply.explanations[0], expected)
    message = pb.ExplainReply.FromString(answers["application/x-protobuf"].content)
    assert same_explanation(codec.decode_explain_reply(message).explanations[0], expected)
    with np.load(io.BytesIO(answers["application/x-npz"].content)) as archive:
        for each in expected.saliency:
            np.testing.assert_array_equal(archive[f"0/saliency/{each.kind}"], each.values, strict=True)
    ExplainBody.model_validate_json(answers["application/json"].content, extra="forbid")


async def test_protobuf_and_json_tell_the_same(running: Running) -> None:
    raw = await running.rest.post(
        "/v1/explain", params=BOTH, content=npy_image(), headers={"accept": "application/x-protobuf"}
    )
    assert raw.headers["content-type"] == "application/x-protobuf"
    assert "cxrshift-finding" not in raw.headers
    over_protobuf = codec.decode_explain_reply(pb.ExplainReply.FromString(raw.content))
    text = await running.rest.post("/v1/explain", params=BOTH, content=npy_image())
    over_json = explain_reply_from_json(text.json())
    for expected, left, right in zip(EXPLANATIONS, over_protobuf.explanations, over_json.explanations, strict=True):
        assert same_explanation(left, expected)
        assert same_explanation(right, expected)


async def test_the_answers_are_what_openapi_says(running: Running, double: WorkerDouble) -> None:
    ExplainBody.model_validate_json(dump_json(explain_reply_to_json(explain_reply("Effusion"))), extra="forbid")
    ClassifyBody.model_validate_json(dump_json(classify_reply_to_json(CLASSIFIED)), extra="forbid")
    ModelsBody.model_validate_json(dump_json(models_to_json((MODEL,))), extra="forbid")
    with pytest.raises(ValidationError, match="extra"):
        ClassifyBody.model_validate({**classify_reply_to_json(CLASSIFIED), "scores": [{"new": 1}]}, extra="forbid")
    double.behave = refuse(Problem(ProblemCode.OVERLOADED, "Later.", 1.0))
    refused = await running.rest.post("/v1/classify", content=npy_image())
    ProblemBody.model_validate_json(refused.content, extra="forbid")


async def test_the_openapi_document_holds_together(running: Running) -> None:
    document = (await running.rest.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    operations = {"/v1/explain", "/v1/explain/stream", "/v1/classify", "/v1/models", "/v1/usage"}
    assert set(document["paths"]) == operations | {"/healthz", "/readyz"}
    explain = document["paths"]["/v1/explain"]["post"]
    assert set(explain["requestBody"]["content"]) == {"application/octet-stream", "multipart/form-data"}
    parameters = {parameter["name"]: parameter for parameter in explain["parameters"]}
    assert set(parameters) == {
        "finding", "model", "profile", "frames", "heatmap", "lambda_min", "lambda_max", "target_change",
        "pixel_change", "saliency", "source_frame", "least_frames", "object", "timeout",
    }  # fmt: skip
    assert all(parameter["in"] == "query" and parameter["description"] for parameter in parameters.values())
    assert set(explain["responses"]) == {"200", "4XX", "5XX"}
    assert set(explain["responses"]["4XX"]["content"]) == {"application/problem+json"}
    assert set(explain["responses"]["200"]["content"]) == {
        "application/json", "image/gif", "image/webp", "image/png", "video/mp4", "application/x-npz",
        "application/dicom", 'multipart/related; type="application/dicom"',
        "application/x-protobuf",
    }  # fmt: skip
    schemas = document["components"]["schemas"]
    references = set(_references(document))
    assert references == {f"#/components/schemas/{name}" for name in schemas}
    assert set(schemas["Explanation"]["properties"]) >= {"lambdas", "frames", "score", "quality", "receipt", "notice"}
    assert "saliency" in schemas["Explanation"]["properties"]
    assert "saliency" not in schemas["Explanation"]["required"]
    assert schemas["SaliencyKind"]["enum"] == list(SaliencyKind)


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


async def test_the_page_needs_nothing_from_elsewhere(running: Running) -> None:
    page = await running.rest.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "openapi.json" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
