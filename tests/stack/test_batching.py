"""Batch invariance through the running stack: what an explanation is does not depend on what else is asked."""

from __future__ import annotations

import random
from dataclasses import replace

import httpx
import numpy as np

from cxrshift.serving.stack import Stack
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from cxrshift_api.json_codec import explain_reply_from_json
from cxrshift_api.types import ExplainOptions, HeatmapKind, Profile, SaliencyKind
from tests.stack.stack_calls import QUICK, explain_alone, explain_together, largest_batch_bucket, phantom_file, request

MIXED = (
    ExplainOptions(("Effusion",)),
    ExplainOptions(("Cardiomegaly", "Mass"), frames=5, heatmap=HeatmapKind.MEAN),
    ExplainOptions(("Pneumothorax",), profile=Profile.LATENTSHIFT),
    ExplainOptions((), profile=Profile.GIFSPLANATION, frames=4, heatmap=HeatmapKind.INTEGRATED),
    ExplainOptions(("Consolidation",), profile=Profile.FIXED, frames=21, lambda_min=-3.0, lambda_max=0.5),
    ExplainOptions(("Mass", "Effusion", "Support Device"), frames=3, heatmap=HeatmapKind.FIRST_TO_LAST),
    ExplainOptions((), frames=9, target_change=0.1),
    ExplainOptions(("Support Device",), profile=Profile.GIFSPLANATION),
)


def test_sixteen_mixed_requests_give_the_same_bytes_together_as_alone(stack: Stack, explainer: ExplainerStub) -> None:
    requests = [
        request(phantom_file(100 + i, options.findings or None), options) for i, options in enumerate(MIXED * 2)
    ]
    alone = [explain_alone(explainer, one) for one in requests]
    assert [outcome.code for outcome in alone] == [""] * 16
    assert len({outcome.explanations for outcome in alone}) == 16
    for seed in (1, 2):
        order = random.Random(seed).sample(range(16), 16)
        together = explain_together(explainer, [requests[i] for i in order])
        assert together == [alone[i] for i in order]
    assert largest_batch_bucket(stack.metrics_url) > 1


def test_traditional_maps_come_along_and_leave_their_neighbours_unchanged(
    stack: Stack, explainer: ExplainerStub
) -> None:
    mapped = replace(QUICK, saliency=tuple(SaliencyKind))
    requests = [request(phantom_file(40 + i), mapped if i % 2 else QUICK) for i in range(6)]
    alone = [explain_alone(explainer, one) for one in requests]
    assert explain_together(explainer, requests) == alone
    for i, outcome in enumerate(alone):
        explanation = codec.decode_explanation(pb.Explanation.FromString(outcome.explanations[0]))
        assert [each.kind for each in explanation.saliency] == (list(SaliencyKind) if i % 2 else [])
        assert all(each.values.max() > 0.0 for each in explanation.saliency)
    answer = httpx.post(
        f"{stack.rest_url}/v1/explain",
        content=requests[1].image,
        params={
            "finding": "Cardiomegaly", "profile": "fixed", "frames": 3, "lambda_min": -1, "lambda_max": 1,
            "saliency": list(SaliencyKind),
        },
        timeout=60,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    [over_rest] = explain_reply_from_json(answer.json()).explanations
    assert codec.to_bytes(codec.encode_explanation(over_rest)) == alone[1].explanations[0]


def test_grpc_and_rest_give_equal_explanations(stack: Stack, explainer: ExplainerStub) -> None:
    image = phantom_file(7)
    one = request(image, ExplainOptions(("Cardiomegaly",), frames=5))
    over_grpc = codec.decode_explain_reply(explainer.Explain(one)).explanations[0]
    answer = httpx.post(
        f"{stack.rest_url}/v1/explain",
        content=image,
        params={"finding": "Cardiomegaly", "frames": 5},
        headers={"accept": "application/x-protobuf", "content-type": "application/octet-stream"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    reply = pb.ExplainReply.FromString(answer.content)
    over_rest = codec.decode_explain_reply(reply).explanations[0]
    for name in ("lambdas", "scores", "frames", "heatmap", "radiograph", "radiograph_scores"):
        np.testing.assert_array_equal(getattr(over_rest, name), getattr(over_grpc, name))
    assert (over_rest.quality, over_rest.receipt, over_rest.below, over_rest.above) == (
        over_grpc.quality,
        over_grpc.receipt,
        over_grpc.below,
        over_grpc.above,
    )
