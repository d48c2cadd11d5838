"""What the gateway serves to a browser: the viewer's pages and samples, and an explanation's events as lines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from cxrshift_api.json_codec import explain_reply_from_json
from cxrshift_api.types import Problem, ProblemCode
from tests.gateway.running import Running, Start
from tests.gateway.samples import explanation, npy_image, same_explanation
from tests.gateway.worker_double import RAISED, WorkerDouble, fail, refuse

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAM = "/v1/explain/stream"
NDJSON = "application/x-ndjson"


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == NDJSON
    assert answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


# ---- events ----


async def test_a_stream_tells_progress_then_each_heatmap_and_each_explanation(running: Running) -> None:
    asked = {"finding": ["Effusion", "Cardiomegaly"]}
    answer = await running.rest.post(STREAM, params=asked, content=npy_image(), headers={"x-request-id": "case-7"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "case-7")
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer)
    assert [event["event"] for event in events] == ["progress", *2 * ["heatmap", "explanation"]]
    assert events[0] == {"event": "progress", "stage": "accepted", "fraction": 0.0}
    told = explain_reply_from_json({"request_id": "", "explanations": [event["explanation"] for event in events[1:]]})
    early, whole, *_ = told.explanations
    assert early.frames.shape[0] == 0
    assert same_explanation(whole, explanation("Effusion"))
    assert (early.heatmap == whole.heatmap).all()


async def test_what_is_refused_at_the_door_has_its_own_status(running: Running) -> None:
    for asked, status in (({"model": "other"}, 404), ({"frames": "1"}, 400), ({"finding": "x", "colour": "y"}, 400)):
        answer = await running.rest.post(STREAM, params=asked, content=npy_image())
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    empty = await running.rest.post(STREAM, content=b"")
    assert empty.status_code == 400


@pytest.mark.parametrize("code", [ProblemCode.UNKNOWN_FINDING, ProblemCode.INVALID_IMAGE, ProblemCode.INTERNAL])
async def test_what_fails_midway_ends_the_stream_with_its_problem(
    running: Running, double: WorkerDouble, code: ProblemCode
) -> None:
    before = await running.samples("cxrshift_request_seconds_count")
    double.behave = refuse(Problem(code, "Something is wrong; this would be right."))
    answer = await running.rest.post(STREAM, content=npy_image())
    accepted, problem = events_of(answer)
    assert (answer.status_code, accepted["event"], problem["event"]) == (200, "progress", "problem")
    assert problem["problem"]["code"] == code.value
    assert problem["problem"]["request_id"] == answer.headers["x-request-id"]
    after = await running.samples("cxrshift_request_seconds_count")
    counted = {labels for labels in after if after[labels] != before.get(labels, 0.0)}
    assert {labels for labels in counted if code.value in labels and "explain_stream" in labels}, counted


async def test_a_stream_is_counted_once_and_as_long_as_it_lasts(running: Running) -> None:
    before = await running.samples("cxrshift_request_seconds_count")
    await running.rest.post(STREAM, content=npy_image())
    after = await running.samples("cxrshift_request_seconds_count")
    changed = {
        labels: after[labels] - before.get(labels, 0.0) for labels in after if after[labels] != before.get(labels)
    }
    assert [value for labels, value in changed.items() if "explain_stream" in labels and "OK" in labels] == [1.0]


async def test_a_stream_that_is_left_lets_its_place_go(start: Start, double: WorkerDouble) -> None:
    released = asyncio.Event()

    async def wait(work: Any, number: int) -> Any:
        try:
            await asyncio.sleep(30)
        finally:
            released.set()

    double.behave = wait
    running = await start(max_in_flight=1, queue=0)
    async with running.rest.stream("POST", STREAM, content=npy_image()) as answer:
        first = await anext(answer.aiter_lines())
        assert json.loads(first)["event"] == "progress"
    await asyncio.wait_for(released.wait(), 10)
    double.reset()
    assert (await running.rest.post(STREAM, content=npy_image())).status_code == 200
    cancelled = [labels for labels in await running.samples("cxrshift_request_seconds_count") if "CANCELLED" in labels]
    assert cancelled


# ---- pages ----


async def test_the_page_may_run_and_fetch_what_is_its_own_alone(running: Running) -> None:
    page = await running.rest.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    for words in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"):
        assert words in policy
    assert "unsafe" not in policy
    module = await running.rest.get("/web/viewer/main.js")
    assert (module.status_code, module.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    again = await running.rest.get("/web/viewer/main.js", headers={"if-none-match": module.headers["etag"]})
    assert (again.status_code, module.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize(
    "path",
    ["/web/pages.py", "/web/viewer/../pages.py", "/web/viewer/%2e%2e/pages.py", "/web/samples/../pages.py",
     "/web/samples/%2e%2e%2fpages.py", "/web/study/index.html", "/web/viewer/", "/web/samples/"],
)  # fmt: skip
async def test_nothing_but_the_pages_is_served(running: Running, path: str) -> None:
    request = running.rest.build_request("GET", "/")
    request.url = httpx.URL(scheme="http", host="127.0.0.1", port=running.gateway.ports.rest, raw_path=path.encode())
    answer = await running.rest.send(request)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_viewer_hears_what_there_is(running: Running) -> None:
    told = (await running.rest.get("/web/viewer.json")).json()
    assert told["notice"] == "Synthetic images. Not for diagnosis."
    assert told["forms"][0] == "application/json"
    assert told["max_bytes"] == 32 << 20
    first, *_ = told["samples"]
    assert (first["file"], first["picture"]) == ("1-large-heart-and-effusion.dcm", "1-large-heart-and-effusion.png")
    for sample in told["samples"]:
        assert (await running.rest.get(f"/web/samples/{sample['file']}")).status_code == 200


async def test_a_site_may_offer_samples_of_its_own_or_no_viewer(start: Start, tmp_path: Path) -> None:
    (tmp_path / "ward.png").write_bytes(b"\x89PNG")
    (tmp_path / "notes.txt").write_text("not to be seen")
    own = await start(samples=tmp_path)
    assert [each["file"] for each in (await own.rest.get("/web/viewer.json")).json()["samples"]] == ["ward.png"]
    assert (await own.rest.get("/web/samples/ward.png")).content == b"\x89PNG"
    assert (await own.rest.get("/web/samples/notes.txt")).status_code == 404
    missing = await start(samples=tmp_path / "nowhere")
    assert (await missing.rest.get("/web/viewer.json")).json()["samples"] == []
    without = await start(viewer=False)
    assert (await without.rest.get("/")).status_code == 404
    assert (await without.rest.get("/web/viewer.json")).status_code == 404


async def test_the_double_failing_is_a_problem_of_the_stream(running: Running, double: WorkerDouble) -> None:
    double.behave = fail(RAISED)
    _, problem = events_of(await running.rest.post(STREAM, content=npy_image()))
    assert problem["problem"]["status"] >= 500
