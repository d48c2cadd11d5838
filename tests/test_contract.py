"""The contract: generated code in step with its .proto files, and a codec that loses nothing and trusts nobody."""

from __future__ import annotations

import subprocess
import sys
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.array_codec import MAX_ARRAY_BYTES, CodecError, decode_array, encode_array
from cxrshift_api.types import (
    ClassifyReply,
    ClassifyRequest,
    Explained,
    ExplainOptions,
    ExplainReply,
    ExplainRequest,
    Explanation,
    FileDigest,
    FindingScore,
    HeatmapKind,
    HeatmapReady,
    ModelInfo,
    PixelScale,
    Problem,
    ProblemCode,
    Profile,
    Progress,
    QualityCard,
    Receipt,
    SaliencyKind,
    SaliencyMap,
    Side,
    StageSeconds,
    StopReason,
    WorkReport,
)

PROTO = Path(__file__).resolve().parents[1] / "proto"
PROTO_FILES = sorted(path.relative_to(PROTO) for path in PROTO.rglob("*.proto"))


def test_the_generated_code_is_what_the_proto_files_generate(tmp_path: Path) -> None:
    """If this fails: ``make proto``."""
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, *map(str, PROTO_FILES)]
    subprocess.run(command, cwd=PROTO, check=True, capture_output=True)
    generated = {path.name: path.read_text("utf-8") for path in (tmp_path / "cxrshift_api").iterdir()}
    checked_in = {path.name: path.read_text("utf-8") for path in (PROTO / "cxrshift_api").glob("*_pb2*")}
    assert generated.keys() == checked_in.keys()
    assert [name for name, text in generated.items() if text != checked_in[name]] == []


@pytest.mark.parametrize(
    ("members", "enum", "prefix"),
    [
        (Profile, pb.Profile, "PROFILE_"),
        (HeatmapKind, pb.HeatmapKind, "HEATMAP_KIND_"),
        (SaliencyKind, pb.SaliencyKind, "SALIENCY_KIND_"),
        (StopReason, pb.StopReason, "STOP_REASON_"),
    ],
)
def test_every_member_of_an_enumeration_has_its_number(members: Any, enum: Any, prefix: str) -> None:
    names = {prefix + member.name for member in members} - {"STOP_REASON_NOT_SEARCHED"}  # that is the number 0
    assert set(enum.keys()) == names | {prefix + "UNSPECIFIED"}


@pytest.mark.parametrize(
    "kind",
    [
        ExplainOptions,
        ExplainRequest,
        ClassifyRequest,
        PixelScale,
        Side,
        QualityCard,
        FileDigest,
        Receipt,
        SaliencyMap,
        Explanation,
        ExplainReply,
        FindingScore,
        ClassifyReply,
        ModelInfo,
        Problem,
        StageSeconds,
        WorkReport,
    ],
)
def test_a_message_has_the_fields_of_its_type(kind: Any) -> None:
    message = getattr(pb, kind.__name__)
    assert {field.name for field in message.DESCRIPTOR.fields} == {field.name for field in fields(kind)}


# ---- arrays ----

SMALL_ARRAYS = hnp.arrays(
    st.sampled_from([np.uint8, np.float32]), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
)


@given(SMALL_ARRAYS, st.booleans())
def test_any_array_comes_back_bit_for_bit(array: NDArray[Any], compress: bool) -> None:
    message = pb.Array.FromString(codec.to_bytes(encode_array(array, compress=compress)))
    restored = decode_array(message, "frames")
    assert restored.dtype == array.dtype
    assert restored.shape == array.shape
    assert restored.tobytes() == array.tobytes()


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)))
def test_a_stack_of_frames_is_lossless_as_differences(frames: NDArray[np.uint8]) -> None:
    message = encode_array(frames, compress=True)
    assert message.encoding == (pb.Array.DELTA_ZLIB if len(frames) > 1 else pb.Array.ZLIB)
    np.testing.assert_array_equal(decode_array(message, "frames"), frames)


def test_a_view_is_packed_as_it_looks() -> None:
    frames = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[::-1, :, ::2]
    np.testing.assert_array_equal(decode_array(encode_array(frames, compress=True), "frames"), frames)


def test_bytes_on_the_wire_are_little_endian_in_c_order() -> None:
    message = encode_array(np.array([[1.0], [-2.0]], np.float32))
    assert message.data == b"\x00\x00\x80\x3f\x00\x00\x00\xc0"
    assert (message.dtype, list(message.shape)) == ("float32", [2, 1])


def test_alike_frames_take_a_third_of_the_bytes() -> None:
    random = np.random.default_rng(0)
    still = random.integers(0, 250, (64, 64))
    frames = (still + random.integers(0, 3, (20, 64, 64))).astype(np.uint8)
    assert len(encode_array(frames, compress=True).data) < len(zlib.compress(frames.tobytes(), 1)) / 2


def packed(**changes: Any) -> pb.Array:
    """Two frames of four pixels, well packed but for the changes."""
    return pb.Array(**{"data": bytes(range(8)), "dtype": "uint8", "shape": [2, 2, 2], **changes})


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (packed(dtype="float64"), "dtype must be"),
        (packed(dtype="object"), "dtype must be"),
        (packed(dtype=""), "dtype must be"),
        (packed(data=bytes(7)), "holds 7 bytes where its shape needs 8"),
        (packed(data=bytes(9)), "holds 9 bytes"),
        (packed(shape=[2**32 - 1, 2**32 - 1, 2**32 - 1]), "larger than"),
        (packed(shape=[MAX_ARRAY_BYTES + 1]), "larger than"),
        (packed(shape=[1 << 30, 0], dtype="float32"), "holds 8 bytes where its shape needs 0"),
        (packed(encoding=pb.Array.ZLIB), "not valid zlib"),
        (packed(encoding=pb.Array.ZLIB, data=zlib.compress(bytes(8))[:-6]), "truncated"),
        (packed(encoding=pb.Array.ZLIB, data=zlib.compress(bytes(8))[:-1]), "truncated"),
        (packed(encoding=pb.Array.ZLIB, data=zlib.compress(bytes(7))), "holds 7 bytes"),
        (packed(encoding=pb.Array.ZLIB, data=zlib.compress(bytes(10**6))), "holds 9 bytes"),
        (
            packed(encoding=pb.Array.DELTA_ZLIB, dtype="float32", shape=[2], data=zlib.compress(bytes(8))),
            "goes with uint8",
        ),
        (packed(encoding=pb.Array.DELTA_ZLIB, shape=[], data=zlib.compress(b"x")), "at least one axis"),
        (packed(encoding=cast(Any, 7)), "unknown value 7"),
        (packed(shape=[1] * 65, data=b"x"), "axes"),
    ],
)
def test_an_array_that_contradicts_itself_is_refused_before_it_is_unpacked(message: pb.Array, complaint: str) -> None:
    with pytest.raises(CodecError, match=complaint):
        decode_array(message, "frames")


def test_a_complaint_names_the_field_and_not_its_content() -> None:
    with pytest.raises(CodecError, match="heatmap") as caught:
        decode_array(packed(dtype="Jane Doe"), "heatmap")
    assert "Jane" not in str(caught.value)


def test_a_decoded_array_is_the_callers_own() -> None:
    array = decode_array(packed(), "frames")
    array[0] = 7  # a view of the message's bytes would refuse


# ---- every type there and back ----

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False)
MAYBE = st.none() | NUMBERS
OPTIONS = st.builds(
    ExplainOptions,
    findings=st.lists(TEXT, max_size=3).map(tuple),
    profile=st.sampled_from(Profile),
    frames=st.none() | st.integers(0, 2**32 - 1),
    heatmap=st.sampled_from(HeatmapKind),
    lambda_min=MAYBE,
    lambda_max=MAYBE,
    target_change=MAYBE,
    pixel_change=MAYBE,
    saliency=st.lists(st.sampled_from(SaliencyKind), unique=True).map(tuple),
)
SCORES = st.builds(FindingScore, TEXT, NUMBERS, NUMBERS, st.booleans())
REQUESTS = st.builds(ExplainRequest, st.binary(max_size=20), TEXT, OPTIONS, TEXT)
CLASSIFY_REQUESTS = st.builds(ClassifyRequest, st.binary(max_size=20), TEXT, TEXT)
CLASSIFY_REPLIES = st.builds(ClassifyReply, TEXT, TEXT, st.lists(SCORES, max_size=3).map(tuple), TEXT)
INFOS = st.builds(
    ModelInfo,
    TEXT,
    TEXT,
    TEXT,
    st.integers(0, 4096),
    st.lists(SCORES, max_size=3).map(tuple),
    st.booleans(),
    st.booleans(),
)
PROBLEMS = st.builds(Problem, st.sampled_from(ProblemCode), TEXT, MAYBE)
STAGES = st.builds(StageSeconds, *[NUMBERS] * 7)
REPORTS = st.builds(WorkReport, st.integers(0, 99), st.integers(0, 9999), STAGES)


@given(st.data())
@pytest.mark.parametrize(
    ("values", "encode", "decode", "message"),
    [
        (OPTIONS, codec.encode_options, codec.decode_options, pb.ExplainOptions),
        (REQUESTS, codec.encode_explain_request, codec.decode_explain_request, pb.ExplainRequest),
        (CLASSIFY_REQUESTS, codec.encode_classify_request, codec.decode_classify_request, pb.ClassifyRequest),
        (CLASSIFY_REPLIES, codec.encode_classify_reply, codec.decode_classify_reply, pb.ClassifyReply),
        (INFOS, codec.encode_model_info, codec.decode_model_info, pb.ModelInfo),
        (st.lists(INFOS, max_size=3).map(tuple), codec.encode_models, codec.decode_models, pb.ListModelsReply),
        (PROBLEMS, codec.encode_problem, codec.decode_problem, pb.Problem),
        (REPORTS, codec.encode_report, codec.decode_report, pb.WorkReport),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_value_comes_back_equal(values: Any, encode: Any, decode: Any, message: Any, data: st.DataObject) -> None:
    value = data.draw(values)
    assert decode(message.FromString(codec.to_bytes(encode(value)))) == value


def make_explanation(seed: int = 0) -> Explanation:
    random = np.random.default_rng(seed)
    return Explanation(
        finding="Mass",
        findings=("Mass", "Edema"),
        lambdas=np.array([-2.0, 0.0, 1.5], np.float32),
        scores=random.random((3, 2), np.float32),
        frames=random.integers(0, 256, (3, 4, 5), dtype=np.uint8),
        scale=PixelScale(0.5, -1024.0),
        heatmap=random.random((4, 5), np.float32),
        heatmap_kind=HeatmapKind.INTEGRATED,
        radiograph=random.integers(0, 256, (4, 5), dtype=np.uint8),
        radiograph_scores=random.random(2, np.float32),
        operating_point=0.4,
        below=Side(StopReason.REVERSED, -2.0, 4),
        above=Side(StopReason.NOT_SEARCHED, 1.5, 0),
        quality=QualityCard(0.9, 12.5, 0.01, 0.3, 0.2, 1.0, 0.7, ("Beware.", "λ"), 1.25),
        receipt=Receipt(
            "toy", "1.2", (FileDigest("a.safetensors", "ab" * 32),), "none", "float32", "torch", "cxrshift 0",
            ExplainOptions(("Mass",), Profile.FIXED, 3, HeatmapKind.INTEGRATED, -2.0, 1.5),
        ),
        notice="Synthetic.",
    )  # fmt: skip


@pytest.mark.parametrize("compress", [False, True])
def test_an_explanation_comes_back_whole(compress: bool) -> None:
    reply = ExplainReply((make_explanation(0), make_explanation(1)), "id-1")
    message = pb.ExplainReply.FromString(codec.to_bytes(codec.encode_explain_reply(reply, compress=compress)))
    restored = codec.decode_explain_reply(message)
    assert restored.request_id == "id-1"
    for ours, theirs in zip(reply.explanations, restored.explanations, strict=True):
        for field in fields(Explanation):
            mine, other = getattr(ours, field.name), getattr(theirs, field.name)
            if isinstance(mine, np.ndarray):
                np.testing.assert_array_equal(other, mine, strict=True)
            else:
                assert other == mine


@pytest.mark.parametrize("compress", [False, True])
def test_the_maps_of_an_explanation_come_back_whole_and_in_order(compress: bool) -> None:
    random = np.random.default_rng(5)
    maps = tuple(SaliencyMap(kind, random.random((4, 5), np.float32)) for kind in reversed(SaliencyKind))
    message = codec.encode_explanation(replace(make_explanation(), saliency=maps), compress=compress)
    restored = codec.decode_explanation(pb.Explanation.FromString(codec.to_bytes(message))).saliency
    assert [each.kind for each in restored] == list(reversed(SaliencyKind))
    for ours, theirs in zip(maps, restored, strict=True):
        np.testing.assert_array_equal(theirs.values, ours.values, strict=True)


def test_who_asks_for_no_map_gets_the_bytes_that_there_were_before_maps() -> None:
    message = codec.encode_explanation(make_explanation())
    assert "saliency" not in {field.name for field, _ in message.ListFields()}
    assert "saliency" not in {field.name for field, _ in message.receipt.options.ListFields()}


@pytest.mark.parametrize("kind", [HeatmapReady, Explained])
def test_an_event_says_what_it_is_of(kind: type[HeatmapReady] | type[Explained]) -> None:
    explanation = make_explanation()
    event = codec.decode_event(codec.encode_event(kind(explanation)))
    assert isinstance(event, kind)
    assert codec.encode_explanation(event.explanation) == codec.encode_explanation(explanation)


def test_an_event_tells_progress_and_one_of_a_newer_peer_reads_as_none() -> None:
    assert codec.decode_event(codec.encode_event(Progress("accepted", 0.5))) == Progress("accepted", 0.5)
    assert codec.decode_event(pb.ExplainEvent()) is None


def test_the_same_value_gives_the_same_bytes() -> None:
    first, second = (codec.to_bytes(codec.encode_explanation(make_explanation(), compress=True)) for _ in range(2))
    assert first == second
    other = replace(make_explanation(), below=Side(StopReason.TARGET, -2.0, 4))
    assert codec.to_bytes(codec.encode_explanation(other, compress=True)) != first


def test_an_explanation_speaks_for_itself() -> None:
    explanation = make_explanation()
    assert explanation.zero_frame == 1
    assert explanation.score == float(explanation.scores[1, 0])
    np.testing.assert_array_equal(explanation.score_curve, explanation.scores[:, 0])
    np.testing.assert_array_equal(explanation.frames_in_model_units(), explanation.frames * np.float32(0.5) - 1024)


def test_what_is_unset_means_the_default() -> None:
    assert codec.decode_options(pb.ExplainOptions()) == ExplainOptions()
    assert codec.decode_problem(pb.Problem(code="FROM_THE_FUTURE", message="m")) == Problem(ProblemCode.INTERNAL, "m")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (pb.ExplainOptions(profile=cast(Any, 99)), "profile"),
        (pb.ExplainOptions(heatmap=cast(Any, 5)), "heatmap"),
        (pb.ExplainOptions(saliency=cast(Any, [1, 4])), "saliency"),
        (pb.ExplainOptions(saliency=cast(Any, [0])), "saliency"),
    ],
)
def test_an_unknown_choice_is_refused_and_not_guessed(options: pb.ExplainOptions, field: str) -> None:
    with pytest.raises(CodecError, match=f"{field} has the unknown value"):
        codec.decode_options(pb.ExplainOptions.FromString(options.SerializeToString()))


def test_an_unknown_stop_reason_is_refused() -> None:
    message = codec.encode_explanation(make_explanation())
    message.below.stop = cast(Any, 42)
    with pytest.raises(CodecError, match="stop has the unknown value 42"):
        codec.decode_explanation(message)
