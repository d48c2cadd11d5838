"""What one arm shows of an explanation, and nothing else of it: the page's network answers are as blind as the page."""

from __future__ import annotations

import numpy as np

from cxrshift_api.json_codec import JsonObject, explanation_to_json
from cxrshift_api.types import Explanation, Float32Array

from ..evaluation.reader_study import LATENT_SHIFT
from .case_table import prediction_of

_STORED_STEPS = 255.0
_SMALLEST_TOP = 0.05
_SALIENCY_TOP = 99.5
"""The ends of the colour scales are those of the service's own pictures (cxrshift.render.overlay)."""


def describe_prediction(explanation: Explanation) -> JsonObject:
    """What the model says of the radiograph: ``finding``, ``score`` and ``operating_point`` in [0, 1], ``present``."""
    score = prediction_of(explanation)
    return {
        "finding": explanation.finding,
        "score": round(score, 4),
        "operating_point": round(float(explanation.operating_point), 4),
        "present": score >= explanation.operating_point,
    }


def arm_pictures(explanation: Explanation, arm: str) -> JsonObject:
    """The arm's pictures in the contract's JSON.

    ``radiograph`` (H, W) uint8 always; with Latent Shift ``frames`` (R, H, W) uint8, ``zero_frame`` and ``heatmap``;
    else the traditional ``maps``. A map has ``values`` (H, W) float32 and the ``top`` of its colour scale.
    """
    whole = explanation_to_json(explanation)
    if arm == LATENT_SHIFT:
        heatmap = {"kind": "heatmap", "values": whole["heatmap"], "top": _heat_top(explanation)}
        return {**{name: whole[name] for name in ("radiograph", "frames", "zero_frame")}, "heatmap": heatmap}
    maps = whole.get("saliency", [])
    tops = [_saliency_top(each.values) for each in explanation.saliency]
    # explanation_to_json writes the maps as a list of objects, in the order of the explanation's own.
    return {
        "radiograph": whole["radiograph"],
        "maps": [{**each, "top": top} for each, top in zip(maps, tops, strict=True)],  # type: ignore[arg-type,dict-item]
    }


def _heat_top(explanation: Explanation) -> float:
    return max(float(explanation.heatmap.max()), _SMALLEST_TOP * _STORED_STEPS * explanation.scale.scale)


def _saliency_top(values: Float32Array) -> float:
    return float(np.percentile(values, _SALIENCY_TOP)) or float(values.max()) or 1.0
