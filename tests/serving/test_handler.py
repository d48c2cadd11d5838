"""The handler, called as TorchServe calls it: every row gets its own answer, whatever its neighbours are."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from ts.context import Context, RequestProcessor

import explain_handler
from cxrshift.core.engine import Engine, EngineReply, Order
from cxrshift.core.model import FindingSpec, Model, ModelSpec
from cxrshift.errors import ModelError
from cxrshift.models.folders import find_model
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import ClassifyRequest, ExplainOptions, ExplainRequest, ProblemCode, Profile
from explain_handler import Worker
from tests.image.dicom_files import dicom_file, ramp

SIDE = 16
FIXED = ExplainOptions(("Bright",), profile=Profile.FIXED, frames=3, lambda_min=-1.0, lambda_max=1.0)


class HalvesModel:
    """The latent is the image at half resolution; the findings are smooth functions of the mean of a half."""

    findings = ("Bright", "Left")

    def encode(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 2)

    def decode(self, latents: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(latents, scale_factor=2.0)

    def score(self, images: Tensor) -> Tensor:
        means = [images.mean((1, 2, 3)), images[..., : SIDE // 2].mean((1, 2, 3))]
        return torch.sigmoid(8.0 * (torch.stack(means, 1) - 0.5))


def make_engine(kind: type[Engine] = Engine) -> Engine:
    spec = ModelSpec("halves", "1.2", "A toy.", SIDE, (0.0, 1.0), tuple(map(FindingSpec, HalvesModel.findings)))
    return kind(Model(spec, HalvesModel()))


def npy(seed: int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).integers(0, 255, (40, 32), dtype=np.uint8))
    return buffer.getvalue()


def explain(seed: int, options: ExplainOptions = FIXED, request_id: str = "") -> bytes:
    request = ExplainRequest(npy(seed), "halves", options, request_id)
    return codec.to_bytes(pb.WorkRequest(explain=codec.encode_explain_request(request)))


def classify(seed: int) -> bytes:
    return codec.to_bytes(pb.WorkRequest(classify=codec.encode_classify_request(ClassifyRequest(npy(seed)))))


DESCRIBE = codec.to_bytes(pb.WorkRequest(describe=pb.DescribeRequest()))


@pytest.fixture
def decoders() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def worker(decoders: ThreadPoolExecutor) -> Worker:
    return Worker(make_engine(), decoders)


def answer(worker: Worker, works: Sequence[object]) -> list[pb.WorkReply]:
    return [pb.WorkReply.FromString(reply) for reply in worker.answer(works)]


def code_of(reply: pb.WorkReply) -> str:
    return reply.problem.code


def test_describe_classify_and_explain_are_answered_in_their_order(worker: Worker) -> None:
    replies = answer(worker, [classify(1), DESCRIBE, explain(2, request_id="abc"), classify(3)])
    assert [r.WhichOneof("result") for r in replies] == ["classify", "describe", "explain", "classify"]
    assert replies[1].describe.name == "halves"
    assert replies[2].explain.request_id == "abc"
    assert [s.finding for s in replies[0].classify.scores] == ["Bright", "Left"]
    assert replies[0].classify.scores[0].score != replies[3].classify.scores[0].score
    assert {r.report.batch_size for r in replies} == {4}
    assert replies[2].report.stages.total >= replies[2].report.stages.decode > 0


def test_a_batch_gives_each_explanation_the_bytes_it_has_alone(worker: Worker) -> None:
    options = [FIXED, replace(FIXED, findings=("Left",), frames=5), ExplainOptions(("Bright", "Left"), frames=7)]
    works = [explain(seed, options[seed % 3]) for seed in range(8)]
    together = [codec.to_bytes(r.explain) for r in answer(worker, works)]
    alone = [codec.to_bytes(answer(worker, [work])[0].explain) for work in works]
    assert together == alone
    assert len(set(together)) == 8


def explain_file(image: bytes) -> bytes:
    request = ExplainRequest(image, "halves", FIXED)
    return codec.to_bytes(pb.WorkRequest(explain=codec.encode_explain_request(request)))


def test_each_request_has_the_frame_that_it_chose(worker: Worker) -> None:
    frames = np.stack([ramp(8), ramp(8)[:, ::-1]]).astype(np.uint8)

    def ask(image: bytes, frame: int) -> bytes:
        request = ExplainRequest(image, "halves", replace(FIXED, source_frame=frame))
        return codec.to_bytes(pb.WorkRequest(explain=codec.encode_explain_request(request)))

    several = dicom_file(frames)
    replies = answer(worker, [ask(several, 2), ask(several, 1), ask(several, 3)])
    alone = answer(worker, [ask(dicom_file(frame), 1) for frame in reversed(frames)])
    assert code_of(replies[2]) == ProblemCode.INVALID_REQUEST
    for reply, single in zip(replies[:2], alone, strict=True):
        assert reply.explain.explanations[0].frames == single.explain.explanations[0].frames
    assert replies[0].explain.explanations[0].receipt.options.source_frame == 2


def test_a_worker_set_to_reject_refuses_lateral_views_and_no_others(
    worker: Worker, decoders: ThreadPoolExecutor
) -> None:
    works = [explain_file(dicom_file(ramp(), ViewPosition=view)) for view in ("PA", "LL")]
    warned = answer(worker, works)
    assert ["lateral view" in str(r.explain.explanations[0].quality.warnings) for r in warned] == [False, True]
    frontal, lateral = answer(Worker(make_engine(), decoders, reject_unsuitable=True), works)
    assert frontal.explain == warned[0].explain
    assert code_of(lateral) == ProblemCode.UNSUPPORTED_IMAGE
    assert "lateral view" in lateral.problem.message


class StrangeEngine(Engine):
    """Finds every bright radiograph unlike those that it knows."""

    def explain(self, orders: Sequence[Order]) -> EngineReply:
        reply = super().explain(orders)
        outcomes = []
        for order, outcome in zip(orders, reply.outcomes, strict=True):
            assert isinstance(outcome, tuple)
            distance = 1.5 if order.radiograph.pixels.mean() > 0.5 else 0.5
            outcomes.append(tuple(replace(e, quality=replace(e.quality, distance=distance)) for e in outcome))
        return replace(reply, outcomes=tuple(outcomes))


def test_a_worker_set_to_reject_refuses_strangers(decoders: ThreadPoolExecutor) -> None:
    bright, dark = (explain_file(dicom_file(np.full((20, 20), value, np.uint8))) for value in (200, 100))
    for reject in (False, True):
        replies = answer(Worker(make_engine(StrangeEngine), decoders, reject_unsuitable=reject), [bright, dark])
        assert [code_of(r) for r in replies] == ([ProblemCode.UNSUPPORTED_IMAGE, ""] if reject else ["", ""])


UNKNOWN_PROFILE = pb.ExplainOptions(profile=cast(Any, 99))


@pytest.mark.parametrize(
    "work",
    [
        b"\xff\xff garbage",
        b"",
        None,
        "text",
        codec.to_bytes(pb.WorkRequest(explain=pb.ExplainRequest(image=b"x", options=UNKNOWN_PROFILE))),
    ],
    ids=["garbage", "empty", "absent", "text", "unknown profile"],
)
def test_work_that_is_no_work_is_refused_in_band(worker: Worker, work: object) -> None:
    bad, good = answer(worker, [work, DESCRIBE])
    assert code_of(bad) == ProblemCode.INVALID_REQUEST
    assert good.HasField("describe")


def test_a_bad_image_and_a_bad_option_harm_no_neighbour(worker: Worker) -> None:
    no_image = codec.to_bytes(pb.WorkRequest(explain=pb.ExplainRequest(image=b"not an image")))
    replies = answer(worker, [no_image, explain(1), explain(2, ExplainOptions(("Gout",)))])
    assert [code_of(r) for r in replies] == ["INVALID_IMAGE", "", "UNKNOWN_FINDING"]
    assert replies[1].explain == answer(worker, [explain(1)])[0].explain


def test_a_reply_over_the_limit_becomes_a_problem(worker: Worker) -> None:
    small = replace(worker, max_reply_bytes=400)
    large, little = answer(small, [explain(1), DESCRIBE])
    assert code_of(large) == ProblemCode.TOO_LARGE
    assert little.HasField("describe")


def test_images_are_compressed_only_where_a_batch_holds_many_and_stay_the_same(worker: Worker) -> None:
    works = [explain(1), classify(2), explain(3)]
    plain = answer(worker, works)
    two = sum(
        len(a.data) for r in plain[::2] for e in r.explain.explanations for a in (e.frames, e.heatmap, e.radiograph)
    )
    for limit, encoding in ((two, pb.Array.RAW), (two - 1, pb.Array.DELTA_ZLIB)):
        replies = answer(replace(worker, compress_above=limit), works)
        assert [r.explain.explanations[0].frames.encoding for r in replies[::2]] == [encoding] * 2
        assert replies[1].classify == plain[1].classify
        for reply, expected in zip(replies[::2], plain[::2], strict=True):
            again = codec.encode_explain_reply(codec.decode_explain_reply(reply.explain))
            assert codec.to_bytes(again) == codec.to_bytes(expected.explain)


def test_the_warm_up_runs_every_pass_and_a_traditional_map() -> None:
    seen: list[EngineReply] = []

    class Watched(Engine):
        def explain(self, orders: Sequence[Order]) -> EngineReply:
            seen.append(super().explain(orders))
            return seen[-1]

    explain_handler.warm_up(make_engine(Watched))
    searched, mapped = (reply.stages for reply in seen)
    assert min(searched.encode, searched.gradient, searched.search, searched.frames) > 0.0
    assert mapped.saliency > 0.0


class FragileEngine(Engine):
    """Fails as a whole where one order of the batch asks for nine frames: a stand-in for a fault nobody foresaw."""

    def explain(self, orders: Sequence[Order]) -> EngineReply:
        if any(order.options.frames == 9 for order in orders):
            raise RuntimeError("secret patient name")
        return super().explain(orders)


def test_an_unforeseen_fault_fails_its_own_item_only(
    decoders: ThreadPoolExecutor, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    fragile = Worker(make_engine(FragileEngine), decoders)
    with caplog.at_level(logging.ERROR):
        first, culprit, last = answer(fragile, [explain(1), explain(2, replace(FIXED, frames=9)), explain(3)])
    assert code_of(culprit) == ProblemCode.INTERNAL
    assert [first.explain, last.explain] == [answer(worker, [explain(seed)])[0].explain for seed in (1, 3)]
    assert "RuntimeError at" in caplog.text
    assert "secret" not in caplog.text + culprit.problem.message


def make_context(*headers: dict[str, str]) -> Context:
    context = Context("halves", "/nowhere", {}, 8, None, "0.12.0")
    context.request_processor = [RequestProcessor(each) for each in headers]
    return context


def test_the_entry_point_guards_grpc_rows_against_streaming_calls(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_handler, "_worker", worker)
    context = make_context({"work": "application/octet-stream"}, {"Host": "127.0.0.1"})
    replies = explain_handler.handle([{"work": DESCRIBE}, {"body": b"x"}], context)
    assert replies is not None
    assert [code_of(pb.WorkReply.FromString(reply)) for reply in replies] == ["", ProblemCode.INVALID_REQUEST]
    assert [context.get_response_headers(row) for row in range(2)] == [{"ts_stream_next": "false"}, {}]


def test_the_entry_point_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_handler, "_worker", None)
    replies = explain_handler.handle([{"work": DESCRIBE}] * 3, make_context({}, {}, {}))
    assert replies is not None
    assert [code_of(pb.WorkReply.FromString(reply)) for reply in replies] == ["INTERNAL"] * 3


@dataclass(frozen=True)
class Start:
    """What TorchServe tells a worker as it starts, as far as the handler looks."""

    model_yaml_config: dict[str, Any]
    system_properties: dict[str, Any]


def test_a_worker_runs_its_model_as_its_settings_say() -> None:
    settings = {"threads": 0, "runtime": "torch-graph", "precision": "float32"}
    folder = str(find_model("phantom"))
    worker = explain_handler.load_worker(Start({"cxrshift": settings}, {"model_dir": folder, "gpu_id": None}))
    fixed = replace(FIXED, findings=("Cardiomegaly",))
    (reply,) = answer(worker, [explain(0, fixed)])
    receipt = reply.explain.explanations[0].receipt
    assert (receipt.runtime, receipt.precision) == ("torch-graph", "float32")


def test_a_worker_does_not_start_in_a_runtime_that_is_not_here() -> None:
    settings = {"runtime": "tensorrt", "precision": "float16"}
    with pytest.raises(ModelError, match="it can run: torch in float32"):
        explain_handler.load_worker(Start({"cxrshift": settings}, {"model_dir": str(find_model("phantom"))}))


def timed(seed: int, seconds: float, options: ExplainOptions = FIXED) -> bytes:
    """Work whose time is over in so many seconds."""
    work = pb.WorkRequest.FromString(explain(seed, options))
    work.expires = time.time() + seconds
    return codec.to_bytes(work)


def test_what_nobody_waits_for_never_reaches_the_engine_and_its_neighbours_do(worker: Worker) -> None:
    late, timely, other = answer(worker, [timed(1, -0.01), timed(2, 60.0), explain(3)])
    assert code_of(late) == ProblemCode.DEADLINE
    assert late.report.rows == timely.report.rows > 0
    assert timely.explain == answer(worker, [explain(2)])[0].explain
    assert other.HasField("explain")
    [alone] = answer(worker, [timed(1, -3600.0)])
    assert (code_of(alone), alone.report.rows) == (ProblemCode.DEADLINE, 0)


def test_little_time_left_is_time_for_few_frames(worker: Worker) -> None:
    options = replace(FIXED, frames=101, least_frames=3)
    answer(worker, [explain(1, options)])  # now it knows how long a row takes
    [short] = answer(worker, [timed(2, 0.02, options)])
    made = short.explain.explanations[0]
    assert 3 <= made.receipt.options.frames < 101
    assert "Time was short" in made.quality.warnings[-1]
