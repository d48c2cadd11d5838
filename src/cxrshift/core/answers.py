"""What becomes of a shift: an explanation with quality card and receipt, or a Problem that says why there is none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import ExplainOptions, Explanation, Float32Array, Problem, Profile, Receipt

from ..errors import InternalError, InvalidRequest, UnsupportedImage
from .heatmap import make_heatmap
from .model import ModelSpec
from .preprocess import describe_preprocessing, pixel_scale, store
from .quality import Likeness, assess
from .runtime import Runtime
from .shift import Failure, Shift, Wanted


def make_explanation(
    spec: ModelSpec,
    runtime: Runtime,
    want: Wanted,
    shifted: Shift,
    image: Tensor,
    scores: Float32Array,
    likeness: Likeness,
) -> Explanation:
    """``image`` (H, W) float32 in model units and its own ``scores`` (F,) in [0, 1], with what the shift made of it."""
    reconstruction = shifted.frames[shifted.zero]
    curve = shifted.scores[:, want.column]
    finding = spec.findings[want.column]
    kind = want.options.heatmap
    quality = assess(
        likeness,
        score_gap=abs(float(scores[want.column]) - float(curve[shifted.zero])),
        curve=curve,
        zero=shifted.zero,
        gradient_norm=shifted.gradient_norm,
        found=shifted.found,
        limits=spec.limits,
    )
    options = replace(want.options, frames=shifted.frame_choice)
    if options.frames != want.options.frames:
        few = f"Time was short: {options.frames} frames instead of {want.options.frames}."
        quality = replace(quality, warnings=(*quality.warnings, few))
    return Explanation(
        finding=finding.name,
        findings=tuple(f.name for f in spec.findings),
        lambdas=shifted.lambdas.astype(np.float32),
        scores=shifted.scores,
        frames=store(shifted.frames, spec),
        scale=pixel_scale(spec),
        heatmap=make_heatmap(shifted.frames, reconstruction, kind).cpu().numpy(),
        heatmap_kind=kind,
        radiograph=store(image, spec),
        radiograph_scores=scores,
        operating_point=finding.operating_point,
        below=shifted.found.below,
        above=shifted.found.above,
        quality=quality,
        receipt=_receipt(spec, runtime, options, finding.name),
    )


def _receipt(spec: ModelSpec, runtime: Runtime, options: ExplainOptions, finding: str) -> Receipt:
    return Receipt(
        model=spec.name,
        model_version=spec.version,
        files=spec.files,
        preprocessing=describe_preprocessing(spec),
        precision=runtime.precision,
        runtime=runtime.name,
        software=_software(),
        options=replace(options, findings=(finding,)),
    )


def say_failure(spec: ModelSpec, want: Wanted, failure: Failure) -> Problem:
    """A blank heatmap would look like a result; say instead that there is none."""
    finding, profile = spec.findings[want.column].name, want.options.profile
    match failure:
        case Failure.UNRESPONSIVE:
            return UnsupportedImage(
                f"The score of {finding} does not respond to the latent code of this image, so no shift can "
                "explain it. Ask for another finding, or send a frontal chest radiograph."
            ).to_problem()
        case Failure.UNMOVED:
            return InvalidRequest(
                f"The profile {profile.value} stops before its first step for {finding} on this image, so there is "
                "no shift to show. Ask for another profile or another finding."
            ).to_problem()
        case Failure.BROKEN if profile is Profile.FIXED:
            return InvalidRequest(
                f"The model gives no valid frame or score for {finding} over this range of shifts. "
                "Ask for a smaller range."
            ).to_problem()
        case Failure.BROKEN:
            return no_probability()


def no_probability() -> Problem:
    """Where the model's score is not in [0, 1], or not finite."""
    return InternalError(
        "The model gave something other than a probability for this image; another image or model may work."
    ).to_problem()


@cache
def _software() -> str:
    try:
        own = version("cxrshift")
    except PackageNotFoundError:  # run from a bare source tree, as on a machine that only measures the core
        own = "source"
    return f"cxrshift {own}, torch {torch.__version__}"
