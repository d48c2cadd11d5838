"""What a model gives by the protocol: an explanation, or a classification, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrshift.gateway.oip.questions import INPUTS
from cxrshift.gateway.oip.tensors import BYTES, strings
from cxrshift.gateway.oip.values import ModelMetadata, Parameter, Tensor, TensorInfo
from cxrshift_api.json_codec import JsonObject, dump_json, explanation_to_json
from cxrshift_api.types import ClassifyReply, ExplainReply, Explanation, ModelInfo

PLATFORM = "cxrshift_latentshift"
_ANY = -1
_IN_TENSORS = ("frames", "heatmap", "radiograph")
_READERS: Mapping[str, tuple[str, Callable[[Explanation], NDArray[Any]]]] = {
    "frames": ("UINT8", lambda e: e.frames),
    "lambdas": ("FP32", lambda e: e.lambdas),
    "scores": ("FP32", lambda e: e.scores),
    "heatmap": ("FP32", lambda e: e.heatmap),
    "radiograph": ("UINT8", lambda e: e.radiograph),
    "radiograph_scores": ("FP32", lambda e: e.radiograph_scores),
    "saliency": ("FP32", lambda e: np.stack([m.values for m in e.saliency]) if e.saliency else _no_maps(e)),
}
OUTPUTS = (*_READERS, "findings", "explanation")
CLASSIFIED = frozenset({"radiograph_scores", "findings"})
"""Who wants no more than these is spared the explanation."""


def describe_model(info: ModelInfo) -> ModelMetadata:
    """A model's tensors, with the shapes that they have for this model."""
    side, findings = info.input_size, len(info.findings)
    shapes = {
        "frames": (_ANY, side, side),
        "lambdas": (_ANY,),
        "scores": (_ANY, findings),
        "heatmap": (side, side),
        "radiograph": (side, side),
        "radiograph_scores": (findings,),
        "saliency": (_ANY, side, side),
        "findings": (findings,),
        "explanation": (1,),
    }
    outputs = (TensorInfo(name, _READERS[name][0] if name in _READERS else BYTES, shapes[name]) for name in OUTPUTS)
    return ModelMetadata(info.name, (info.version,), PLATFORM, INPUTS, tuple(outputs))


def explanation_tensors(explanation: Explanation, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The outputs named, in that order."""
    return tuple(_explanation_tensor(explanation, name) for name in names)


def classification_tensors(reply: ClassifyReply, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The outputs named, in that order; all of them must be in CLASSIFIED."""
    scores = Tensor("radiograph_scores", "FP32", np.array([each.score for each in reply.scores], np.float32))
    made = {"radiograph_scores": scores, "findings": _names(tuple(each.finding for each in reply.scores))}
    return tuple(made[name] for name in names)


def shown(reply: ExplainReply) -> Mapping[str, Parameter]:
    """Which finding the outputs are of, and which others were explained and are not told."""
    first, *others = (explanation.finding for explanation in reply.explanations)
    return {"finding": first} | ({"findings_left_out": ",".join(others)} if others else {})


def _explanation_tensor(explanation: Explanation, name: str) -> Tensor:
    if name == "findings":
        return _names(explanation.findings)
    if name == "explanation":
        return strings(name, [dump_json(_in_words(explanation))])
    datatype, read = _READERS[name]
    return Tensor(name, datatype, read(explanation))


def _in_words(explanation: Explanation) -> JsonObject:
    """The explanation as REST's JSON has it, without the images, which have tensors of their own."""
    nothing = np.zeros((0, 0), np.uint8)
    light = replace(explanation, frames=nothing, heatmap=nothing.astype(np.float32), radiograph=nothing, saliency=())
    words = {key: value for key, value in explanation_to_json(light).items() if key not in _IN_TENSORS}
    return words | {"saliency": [each.kind.value for each in explanation.saliency]}


def _names(findings: tuple[str, ...]) -> Tensor:
    return strings("findings", [finding.encode() for finding in findings])


def _no_maps(explanation: Explanation) -> NDArray[np.float32]:
    return np.zeros((0, *explanation.heatmap.shape), np.float32)
