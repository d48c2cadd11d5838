"""``cxrshift.explain``: radiographs in, explanations out, in one call and in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import ExplainOptions, Explanation, HeatmapKind, Problem, Profile, SaliencyKind

from ..errors import InvalidImage, InvalidRequest
from ..image.radiograph import Radiograph
from .engine import Engine, Order
from .model import LatentModel, Model
from .options import check_options

ORDERS_AT_ONCE = 16
"""Bounds memory. An explanation does not depend on what is explained beside it."""

Picture: TypeAlias = Radiograph | NDArray[np.floating[Any]]
Member = TypeVar("Member", bound=StrEnum)


def explain(
    model: Model | LatentModel,
    radiographs: Sequence[Picture] | NDArray[np.floating[Any]],
    *,
    finding: str | Sequence[str | None] | None = None,
    profile: Profile | str = Profile.TWO_SIDED,
    frames: int | None = None,
    heatmap: HeatmapKind | str = HeatmapKind.MAX,
    lambda_min: float | None = None,
    lambda_max: float | None = None,
    target_change: float | None = None,
    pixel_change: float | None = None,
    saliency: SaliencyKind | str | Sequence[SaliencyKind | str] = (),
) -> list[Explanation | Problem]:
    """Explain one finding of each radiograph: one Explanation or Problem for each, in their order.

    ``radiographs`` are Radiographs or (H, W) arrays of float32 or another floating type in [0, 1], bone bright and air
    dark; an (N, H, W) array is N of them. ``finding`` is one name for all, or a sequence of one for each; None is the
    trained finding whose score on the radiograph is highest. ``profile``, ``frames``, ``heatmap`` and ``saliency`` are
    those of ExplainOptions, and so are ``lambda_min`` ≤ 0 and ``lambda_max`` ≥ 0 in the model's λ unit, and
    ``target_change`` and ``pixel_change`` in (0, 1]. Latent Shift: arXiv 2102.09475.

    Raises InvalidRequest where an option can be meant for no radiograph, UntrainedFinding where the model was trained
    on no finding.
    """
    if isinstance(radiographs, Radiograph) or (isinstance(radiographs, np.ndarray) and radiographs.ndim == 2):
        raise InvalidRequest("radiographs is one radiograph; put it into a list.")
    shared = ExplainOptions(
        profile=_member(Profile, profile, "profile"),
        frames=frames,
        heatmap=_member(HeatmapKind, heatmap, "heatmap"),
        lambda_min=lambda_min,
        lambda_max=lambda_max,
        target_change=target_change,
        pixel_change=pixel_change,
        saliency=tuple(_member(SaliencyKind, kind, "saliency") for kind in _several(saliency)),
    )
    engine = Engine(model)
    check_options(shared, engine.spec)
    findings = _one_for_each(finding, len(radiographs))
    entries = [_order(engine, r, named, shared) for r, named in zip(radiographs, findings, strict=True)]
    explained = iter(_explain_all(engine, [entry for entry in entries if isinstance(entry, Order)]))
    return [next(explained) if isinstance(entry, Order) else entry for entry in entries]


def _explain_all(engine: Engine, orders: list[Order]) -> Iterator[Explanation | Problem]:
    for first in range(0, len(orders), ORDERS_AT_ONCE):
        for outcome in engine.explain(orders[first : first + ORDERS_AT_ONCE]).outcomes:
            yield outcome if isinstance(outcome, Problem) else outcome[0]


def _order(engine: Engine, candidate: Picture, finding: str | None, shared: ExplainOptions) -> Order | Problem:
    try:
        radiograph = _radiograph(candidate)
    except InvalidImage as error:
        return error.to_problem()
    if finding is None:
        (scores,) = engine.classify([radiograph])
        if isinstance(scores, Problem):
            return scores
        finding = max((s for s in scores if s.trained), key=lambda s: s.score).finding
    return Order(radiograph, replace(shared, findings=(finding,)))


def _radiograph(candidate: Picture) -> Radiograph:
    pixels = candidate.pixels if isinstance(candidate, Radiograph) else np.asarray(candidate)
    if pixels.ndim != 2 or 0 in pixels.shape or not np.issubdtype(pixels.dtype, np.floating):
        raise InvalidImage("A radiograph must be a floating-point array of shape (height, width).")
    if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):  # NaN compares false
        raise InvalidImage(
            "A radiograph's pixels must be in [0, 1]: 0 the darkest value of its source, 1 the brightest."
        )
    return Radiograph(np.asarray(pixels, np.float32))


def _one_for_each(finding: str | Sequence[str | None] | None, count: int) -> Sequence[str | None]:
    if finding is None or isinstance(finding, str):
        return [finding] * count
    if len(finding) != count:
        raise InvalidRequest(f"{len(finding)} findings were named for {count} radiographs; name one for each.")
    return finding


def _several(words: str | Sequence[str]) -> Sequence[str]:
    return (words,) if isinstance(words, str) else words


def _member(kind: type[Member], value: str, name: str) -> Member:
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} must be one of {', '.join(kind)}.") from error
