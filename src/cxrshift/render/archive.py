"""An explain reply as one NPZ file: its arrays as arrays, the rest as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, fields

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import NOTICE, ExplainReply, Explanation

ARRAYS = ("lambdas", "scores", "frames", "heatmap", "radiograph", "radiograph_scores")
"""The fields of an Explanation that are arrays; each stands in the file as ``<index>/<field>``."""


def render_npz(reply: ExplainReply) -> bytes:
    """A compressed NPZ that ``numpy.load(..., allow_pickle=False)`` reads.

    ``0/frames``, ``0/heatmap``, ... are the arrays of the first explanation, ``1/...`` those of the second; ``json``
    is a (bytes,) uint8 array of UTF-8 JSON with everything else.
    """
    arrays: dict[str, NDArray[np.generic]] = {"json": np.frombuffer(_describe(reply), np.uint8)}
    for index, explanation in enumerate(reply.explanations):
        for name in ARRAYS:
            arrays[f"{index}/{name}"] = getattr(explanation, name)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _describe(reply: ExplainReply) -> bytes:
    words = {
        "request_id": reply.request_id,
        "notice": NOTICE,
        "explanations": [_words(explanation) for explanation in reply.explanations],
    }
    return json.dumps(words, ensure_ascii=False, indent=1).encode()


def _words(explanation: Explanation) -> dict[str, object]:
    """Everything of an explanation but its arrays. Enumerations are strings already."""
    names = [f.name for f in fields(explanation) if f.name not in ARRAYS]
    plain = {name: getattr(explanation, name) for name in names}
    return {name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in plain.items()}
