"""Latent Shift explanations of chest X-ray classifiers.

    model = cxrshift.load_model("phantom")
    for explanation in cxrshift.explain(model, radiographs, finding="Cardiomegaly"):
        ...

Importing this package imports nothing of weight: each name is fetched, and torch with it, when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxrshift_api.types import (
        ExplainOptions,
        Explanation,
        FindingScore,
        HeatmapKind,
        Problem,
        ProblemCode,
        Profile,
        QualityCard,
        Receipt,
        SaliencyKind,
        SaliencyMap,
        Side,
        StopReason,
    )

    from .core.engine import Engine, EngineReply, Order
    from .core.facade import explain
    from .core.model import FindingSpec, LatentModel, Model, ModelSpec
    from .image.decode import decode_radiograph
    from .image.radiograph import Radiograph
    from .models.loader import load_model

    __version__: str

__all__ = [
    "Engine",
    "EngineReply",
    "ExplainOptions",
    "Explanation",
    "FindingScore",
    "FindingSpec",
    "HeatmapKind",
    "LatentModel",
    "Model",
    "ModelSpec",
    "Order",
    "Problem",
    "ProblemCode",
    "Profile",
    "QualityCard",
    "Radiograph",
    "Receipt",
    "SaliencyKind",
    "SaliencyMap",
    "Side",
    "StopReason",
    "__version__",
    "decode_radiograph",
    "explain",
    "load_model",
]

_HOMES = {
    "Engine": "cxrshift.core.engine",
    "EngineReply": "cxrshift.core.engine",
    "FindingSpec": "cxrshift.core.model",
    "LatentModel": "cxrshift.core.model",
    "Model": "cxrshift.core.model",
    "ModelSpec": "cxrshift.core.model",
    "Order": "cxrshift.core.engine",
    "Radiograph": "cxrshift.image.radiograph",
    "decode_radiograph": "cxrshift.image.decode",
    "explain": "cxrshift.core.facade",
    "load_model": "cxrshift.models.loader",
}
"""Where each public name lives, for those that are not of the contract (cxrshift_api.types)."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("cxrshift")
    elif name in __all__:
        value = getattr(import_module(_HOMES.get(name, "cxrshift_api.types")), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
