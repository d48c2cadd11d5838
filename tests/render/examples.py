"""Explanations as plausible as a few ellipses allow: a chest whose heart grows with λ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cxrshift_api.types import (
    ExplainOptions,
    ExplainReply,
    Explanation,
    FileDigest,
    Float32Array,
    HeatmapKind,
    PixelScale,
    QualityCard,
    Receipt,
    SaliencyKind,
    SaliencyMap,
    Side,
    StopReason,
    UInt8Array,
)

FINDINGS = ("Cardiomegaly", "Effusion", "Pneumothorax", "Mass", "Consolidation", "Support_Device")


def draw_chest(side: int, heart: float, *, lung: float = 0.18) -> UInt8Array:
    """(side, side) uint8: two dark lungs, a bright mediastinum, and a heart ``heart`` times the usual width."""
    y, x = np.mgrid[0 : 1 : side * 1j, -0.5 : 0.5 : side * 1j]

    def ellipse(cx: float, cy: float, rx: float, ry: float, edge: float = 0.10) -> Float32Array:
        distance = np.hypot((x - cx) / rx, (y - cy) / ry)
        return np.asarray(np.clip((1.0 - distance) / edge, 0.0, 1.0), np.float32)

    pixels = 0.62 * ellipse(0.0, 0.6, 0.50, 0.66)
    for cx in (-0.21, 0.21):
        lungs = ellipse(cx, 0.50, 0.155, 0.34, 0.16)
        pixels = pixels * (1.0 - lungs) + lung * lungs
    ribs = 0.06 * np.clip(np.cos(2 * np.pi * (9 * y + 1.5 * np.abs(x))), 0.0, 1.0) * (pixels > 0)
    pixels = pixels + ribs
    spine = ellipse(0.0, 0.5, 0.05, 0.6)
    pixels = pixels * (1.0 - spine) + 0.72 * spine
    size = ellipse(0.05, 0.66, 0.155 * heart, 0.13 * (0.6 + 0.4 * heart), 0.25)
    pixels = pixels * (1.0 - size) + 0.80 * size
    return np.asarray(np.clip(255.0 * pixels, 0.0, 255.0), np.uint8)


def make_explanation(
    finding: str = "Cardiomegaly", *, frames: int = 11, side: int = 128, one_sided: bool = False
) -> Explanation:
    """An explanation of ``frames`` frames, λ from −0.5 to 20 (to 0 if ``one_sided``)."""
    half = frames // 2
    down = np.linspace(-0.5, 0.0, frames if one_sided else half + 1)
    lambdas = down if one_sided else np.concatenate([down, np.linspace(0.0, 20.0, frames - half)[1:]])
    step = np.where(lambdas < 0, lambdas / 0.5, lambdas / 20.0)
    stack = np.stack([draw_chest(side, 1.25 + 0.4 * s) for s in step])
    logits = np.stack([1.2 + 3.0 * step, -1.5 + 1.5 * step, -3.0 - step, -2.0 + 0.3 * step, -1 + 0 * step, -step - 4])
    scores = (1.0 / (1.0 + np.exp(-logits.T))).astype(np.float32)[:, : len(FINDINGS)]
    scale = PixelScale(2048.0 / 255.0, -1024.0)
    zero = int(np.abs(lambdas).argmin())
    change = np.abs(stack.astype(np.float32) - stack[zero].astype(np.float32)).max(0) * scale.scale
    curve = scores[:, FINDINGS.index(finding)]
    return Explanation(
        finding=finding,
        findings=FINDINGS,
        lambdas=lambdas.astype(np.float32),
        scores=scores,
        frames=stack,
        scale=scale,
        heatmap=change.astype(np.float32),
        heatmap_kind=HeatmapKind.MAX,
        radiograph=draw_chest(side, 1.3, lung=0.14),
        radiograph_scores=np.clip(scores[zero] + 0.04, 0, 1).astype(np.float32),
        operating_point=0.5,
        below=Side(StopReason.FLOOR, float(lambdas[0]), 9),
        above=Side(StopReason.NOT_SEARCHED, 0.0, 0)
        if one_sided
        else Side(StopReason.PIXEL_CHANGE, float(lambdas[-1]), 7),
        quality=QualityCard(
            ssim=0.91,
            mae=41.5,
            score_gap=0.04,
            drop=float(curve[zero] - curve[: zero + 1].min()),
            rise=float(curve[zero:].max() - curve[zero]),
            monotonicity=1.0,
            gradient_norm=0.37,
            warnings=("The score moves little above λ = 0.",),
        ),
        receipt=Receipt(
            model="phantom",
            model_version="1.0",
            files=(FileDigest("classifier.safetensors", "ab" * 32),),
            preprocessing="centre crop, area resize to 128",
            precision="float32",
            runtime="torch",
            software="cxrshift 0.1.0",
            options=ExplainOptions((finding,), frames=frames),
        ),
    )


def make_maps(explanation: Explanation, kinds: Sequence[SaliencyKind] = tuple(SaliencyKind)) -> Explanation:
    """The explanation with noise around its heart for each map, 10⁻⁶ at most, and one pixel far above it."""
    random = np.random.default_rng(4)
    maps = []
    for kind in kinds:
        values = random.random(explanation.heatmap.shape, np.float32) * (explanation.heatmap > 0) * np.float32(1e-6)
        values[3, 3] = 1e-3
        maps.append(SaliencyMap(kind, values))
    options = replace(explanation.receipt.options, saliency=tuple(kinds))
    return replace(explanation, saliency=tuple(maps), receipt=replace(explanation.receipt, options=options))


def make_reply(*findings: str, request_id: str = "r-1") -> ExplainReply:
    """A reply with an explanation for each finding; Cardiomegaly if none is named."""
    return ExplainReply(tuple(make_explanation(f) for f in findings or ("Cardiomegaly",)), request_id)
