"""An explain reply as one NPZ file: its arrays as arrays, the rest as JSON."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.json_codec import JsonObject, dump_json, explain_reply_to_json
from cxrshift_api.types import ExplainReply, Explanation

ARRAYS = ("lambdas", "scores", "frames", "heatmap", "radiograph", "radiograph_scores")
"""The fields of an Explanation that are one array; each stands in the file as ``<index>/<field>``."""


def render_npz(reply: ExplainReply) -> bytes:
    """A compressed NPZ that ``numpy.load(..., allow_pickle=False)`` reads.

    ``0/frames``, ``0/heatmap``, ... are the arrays of the first explanation, ``1/...`` those of the second, and
    ``0/saliency/input-gradient`` is a traditional map of the first; ``json`` is a (bytes,) uint8 array of UTF-8 JSON
    with everything else.
    """
    arrays: dict[str, NDArray[np.generic]] = {"json": np.frombuffer(_describe(reply), np.uint8)}
    for index, explanation in enumerate(reply.explanations):
        for name in ARRAYS:
            arrays[f"{index}/{name}"] = getattr(explanation, name)
        for saliency in explanation.saliency:
            arrays[f"{index}/saliency/{saliency.kind}"] = saliency.values
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _describe(reply: ExplainReply) -> bytes:
    words: JsonObject = {"request_id": reply.request_id, "explanations": [_words(each) for each in reply.explanations]}
    return dump_json(words)


def _words(explanation: Explanation) -> JsonObject:
    """Everything of an explanation but its arrays, in the form that a REST answer has."""
    blank = np.zeros(0, np.uint8)
    light = replace(explanation, frames=blank, radiograph=blank, heatmap=blank.astype(np.float32), saliency=())
    [words] = cast("list[JsonObject]", explain_reply_to_json(ExplainReply((light,)))["explanations"])
    return {name: value for name, value in words.items() if name not in ARRAYS}
