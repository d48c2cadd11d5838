"""The JSON form of an answer: literal members, exact arrays, refusals that name the place."""

from __future__ import annotations

import base64
import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cxrshift_api import json_codec
from cxrshift_api.json_codec import JsonCodecError
from cxrshift_api.types import Explained, ExplainEvent, ExplainReply, HeatmapReady, Problem, ProblemCode, Progress
from tests.gateway.samples import CLASSIFIED, MODEL, explain_reply, explanation, same_explanation


def through_text(value: json_codec.JsonObject) -> Any:
    return json.loads(json_codec.dump_json(value))


def test_numbers_are_lists_and_images_are_base64_with_shape_and_dtype() -> None:
    sample = explanation()
    told = through_text(json_codec.explain_reply_to_json(ExplainReply((sample,), "r-1")))
    assert told["request_id"] == "r-1"
    (one,) = told["explanations"]
    assert one["lambdas"] == [-0.1, 0.0, 0.3]
    assert one["scores"] == [[0.1, 0.6], [0.5, 0.6], [0.9, 0.61]]
    assert (one["score"], one["score_curve"], one["zero_frame"]) == (0.5, [0.1, 0.5, 0.9], 1)
    assert (one["frames"]["dtype"], one["frames"]["shape"]) == ("uint8", [3, 24, 24])
    assert base64.b64decode(one["frames"]["data"]) == sample.frames.tobytes()
    assert one["heatmap"]["dtype"] == "float32"
    assert one["below"] == {"stop": "target", "limit": -0.1, "evaluated": 4}
    assert one["receipt"]["options"]["frames"] == 3
    assert one["receipt"]["options"]["lambda_min"] is None
    assert one["notice"] == "Synthetic images. Not for diagnosis."


def test_every_answer_comes_back_exactly() -> None:
    reply = explain_reply("Cardiomegaly", "Effusion", request_id="r")
    back = json_codec.explain_reply_from_json(through_text(json_codec.explain_reply_to_json(reply)))
    assert back.request_id == "r"
    assert all(map(same_explanation, back.explanations, reply.explanations))
    assert (
        json_codec.classify_reply_from_json(through_text(json_codec.classify_reply_to_json(CLASSIFIED))) == CLASSIFIED
    )
    assert json_codec.models_from_json(through_text(json_codec.models_to_json((MODEL,)))) == (MODEL,)


def test_any_float32_survives_its_shortest_decimal() -> None:
    values = np.random.default_rng(1).integers(0, 0x7F800000, 1000, dtype=np.uint32).view(np.float32)
    sample = replace(explanation(), radiograph_scores=values)
    back = json_codec.explain_reply_from_json(through_text(json_codec.explain_reply_to_json(ExplainReply((sample,)))))
    assert back.explanations[0].radiograph_scores.tobytes() == values.tobytes()


def test_a_number_that_is_not_finite_is_null_and_reads_as_nan() -> None:
    sample = explanation()
    sample = replace(sample, quality=replace(sample.quality, ssim=math.inf))
    told = through_text(json_codec.explain_reply_to_json(ExplainReply((sample,))))
    assert told["explanations"][0]["quality"]["ssim"] is None
    assert math.isnan(json_codec.explain_reply_from_json(told).explanations[0].quality.ssim)


def test_a_newer_service_may_say_more_and_an_older_one_leave_out_what_has_a_default() -> None:
    told = through_text(json_codec.explain_reply_to_json(explain_reply()))
    told["new"] = told["explanations"][0]["new"] = [1]
    del told["explanations"][0]["notice"], told["request_id"]
    assert same_explanation(json_codec.explain_reply_from_json(told).explanations[0], explain_reply().explanations[0])


def _set(*path: Any, to: Any) -> Callable[[Any], None]:
    def change(told: Any) -> None:
        place = told
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (_set("explanations", to="secret"), "explanations must be a list"),
        (_set("explanations", 0, to=[]), r"explanations\[0\] must be an object"),
        (_set("explanations", 0, "finding", to=3), r"explanations\[0\].finding must be a valid str"),
        (_set("explanations", 0, "below", "stop", to="secret"), r"below.stop must be a valid StopReason"),
        (_set("explanations", 0, "below", "limit", to="secret"), r"below.limit must be a valid float"),
        (_set("explanations", 0, "below", "evaluated", to=True), r"below.evaluated must be a valid int"),
        (_set("explanations", 0, "lambdas", to=["secret"]), r"lambdas is not an array of float32"),
        (_set("explanations", 0, "frames", "dtype", to="float64"), r"frames.dtype must be uint8"),
        (_set("explanations", 0, "frames", "shape", to=[3, 24, 23]), r"frames.data does not have the bytes"),
        (_set("explanations", 0, "frames", "shape", to=[-3, -24, 24]), r"frames.data does not have the bytes"),
        (_set("explanations", 0, "frames", "data", to="secret!"), r"frames is not an array of uint8"),
        (_set("explanations", 0, "frames", "data", to=None), r"frames must have shape and data"),
    ],
)
def test_what_breaks_the_contract_is_refused_by_its_place(change: Callable[[Any], None], place: str) -> None:
    told = copy.deepcopy(through_text(json_codec.explain_reply_to_json(explain_reply())))
    change(told)
    with pytest.raises(JsonCodecError, match=place) as raised:
        json_codec.explain_reply_from_json(told)
    assert "secret" not in str(raised.value)


def test_a_missing_member_is_named() -> None:
    told = through_text(json_codec.classify_reply_to_json(CLASSIFIED))
    del told["scores"][1]["score"]
    with pytest.raises(JsonCodecError, match=r"scores\[1\].score is missing"):
        json_codec.classify_reply_from_json(told)
    with pytest.raises(JsonCodecError, match="must be an object"):
        json_codec.models_from_json([])


def test_a_problem_reads_from_its_document_and_an_unknown_code_as_internal() -> None:
    told: json_codec.JsonObject = {
        "type": "t",
        "title": "Overloaded",
        "status": 429,
        "detail": "Later.",
        "code": "OVERLOADED",
        "retry_after": 2,
    }
    assert json_codec.problem_from_json(told) == Problem(ProblemCode.OVERLOADED, "Later.", 2.0)
    assert json_codec.problem_from_json({"code": "NEWER", "detail": "x"}) == Problem(ProblemCode.INTERNAL, "x")
    with pytest.raises(JsonCodecError, match="code must be a string"):
        json_codec.problem_from_json({"detail": "a proxy's own error page"})


@pytest.mark.parametrize(
    "event", [Progress("accepted", 0.25), HeatmapReady(explanation("Effusion")), Explained(explanation())]
)
def test_events_come_back_as_they_went(event: ExplainEvent) -> None:
    read = json_codec.event_from_json(through_text(json_codec.event_to_json(event)))
    assert type(read) is type(event)
    if isinstance(event, Progress):
        assert read == event
    else:
        assert same_explanation(read.explanation, event.explanation)  # type: ignore[union-attr]


def test_an_event_that_is_not_known_is_none_and_one_that_is_none_is_refused() -> None:
    assert json_codec.event_from_json({"event": "of tomorrow"}) is None
    wrong: list[Any] = [None, [], {"event": 7}, {"stage": "accepted"}, {"event": "progress"}, {"event": "heatmap"}]
    for value in wrong:
        with pytest.raises(JsonCodecError):
            json_codec.event_from_json(value)
