"""Small, complete answers of a worker, and the radiograph that asks for them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from cxrshift_api.types import (
    ClassifyReply,
    ExplainOptions,
    ExplainReply,
    Explanation,
    FileDigest,
    FindingScore,
    HeatmapKind,
    ModelInfo,
    PixelScale,
    QualityCard,
    Receipt,
    SaliencyKind,
    SaliencyMap,
    Side,
    StageSeconds,
    StopReason,
    WorkReport,
)

SIDE = 24
FINDINGS = ("Cardiomegaly", "Effusion")


def npy_image(seed: int = 0) -> bytes:
    """A radiograph as an NPY file."""
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE), dtype=np.uint8))
    return buffer.getvalue()


def explanation(
    finding: str = "Cardiomegaly",
    *,
    seed: int = 0,
    options: ExplainOptions | None = None,
    saliency: Sequence[SaliencyKind] = (),
) -> Explanation:
    """An explanation of three frames, different for each seed."""
    random = np.random.default_rng(seed)
    return Explanation(
        finding=finding,
        findings=FINDINGS,
        lambdas=np.array([-0.1, 0.0, 0.3], np.float32),
        scores=np.array([[0.1, 0.6], [0.5, 0.6], [0.9, 0.61]], np.float32),
        frames=random.integers(0, 255, (3, SIDE, SIDE), dtype=np.uint8),
        scale=PixelScale(2048 / 255, -1024.0),
        heatmap=random.random((SIDE, SIDE), dtype=np.float32),
        heatmap_kind=HeatmapKind.MAX,
        radiograph=random.integers(0, 255, (SIDE, SIDE), dtype=np.uint8),
        radiograph_scores=np.array([0.7, 0.2], np.float32),
        operating_point=0.5,
        below=Side(StopReason.TARGET, -0.1, 4),
        above=Side(StopReason.LAST_LAMBDA, 0.3, 7),
        quality=QualityCard(0.9, 12.5, 0.2, 0.4, 0.4, 1.0, 2.0, ("The reconstruction scores differently.",)),
        receipt=Receipt(
            model="phantom",
            model_version="1.2.0",
            files=(FileDigest("weights.safetensors", "ab" * 32),),
            preprocessing="square, 24",
            precision="fp32",
            runtime="torch",
            software="cxrshift 0.1.0",
            options=options or ExplainOptions((finding,), frames=3, saliency=tuple(saliency)),
        ),
        saliency=tuple(SaliencyMap(kind, random.random((SIDE, SIDE), dtype=np.float32)) for kind in saliency),
    )


def explain_reply(*findings: str, request_id: str = "", saliency: Sequence[SaliencyKind] = ()) -> ExplainReply:
    """An explanation for each finding."""
    names = findings or ("Cardiomegaly",)
    return ExplainReply(tuple(explanation(n, seed=i, saliency=saliency) for i, n in enumerate(names)), request_id)


CLASSIFIED = ClassifyReply(
    "phantom", "1.2.0", (FindingScore("Cardiomegaly", 0.7, 0.5), FindingScore("Effusion", 0.2, 0.4, trained=False))
)
MODEL = ModelInfo("phantom", "1.2.0", "A model of the tests.", SIDE, CLASSIFIED.scores)
REPORT = WorkReport(batch_size=3, rows=24, stages=StageSeconds(0.001, 0.002, 0.003, 0.004, 0.005, total=0.015))


def same_explanation(left: Explanation, right: Explanation) -> bool:
    """Whether two explanations are equal, arrays bit for bit."""
    for field in fields(Explanation):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if field.name == "saliency":
            one, other = ([(m.kind, m.values.shape, m.values.tobytes()) for m in maps] for maps in (one, other))
        if isinstance(one, np.ndarray):
            if (one.dtype, one.shape, one.tobytes()) != (other.dtype, other.shape, other.tobytes()):
                return False
        elif one != other:
            return False
    return True
