"""What a caller says, as the contract's requests. No input or output but reading an image file."""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from cxrshift_api.types import (
    ClassifyRequest,
    ExplainOptions,
    ExplainRequest,
    HeatmapKind,
    ProblemCode,
    Profile,
    SaliencyKind,
)

from .errors import refuse

_Member = TypeVar("_Member", Profile, HeatmapKind, SaliencyKind)
ImageLike: TypeAlias = bytes | str | Path | NDArray[Any]
"""A file's bytes, the path of a file, or an (H, W) array of uint8, uint16, or float in [0, 1]."""


class Choices(TypedDict, total=False):
    """What can be chosen about an explanation; ``cxrshift_api.types.ExplainOptions`` says what each means.

    findings: one name or several; none = every finding at or above its operating point, else the highest.
    model: name of a served model; "" = the service's default.
    profile: "two-sided", "latentshift", "gifsplanation" or "fixed".
    frames: how many frames, 2 to 101; None = the profile's own.
    heatmap: "max", "mean", "first-to-last" or "integrated".
    lambda_min, lambda_max: range of the profile "fixed", in the model's λ unit.
    target_change: score change at which "two-sided" stops, in (0, 1].
    pixel_change: share of the image's brightness that may change, in (0, 1].
    saliency: traditional maps to add, one or several of "input-gradient", "integrated-gradients" and
        "guided-backpropagation".
    source_frame: which frame of a DICOM file with several is explained, from 1.
    least_frames: where the timeout is too near for ``frames``, no fewer than these, at least 2.
    request_id: [A-Za-z0-9._-], at most 64 characters; "" = one is made up.
    timeout: seconds for the whole call, instead of the client's own.
    """

    findings: str | Sequence[str]
    model: str
    profile: Profile | str
    frames: int | None
    heatmap: HeatmapKind | str
    lambda_min: float | None
    lambda_max: float | None
    target_change: float | None
    pixel_change: float | None
    saliency: SaliencyKind | str | Sequence[SaliencyKind | str]
    source_frame: int
    least_frames: int | None
    request_id: str
    timeout: float | None


def explain_request(image: ImageLike, choices: Choices) -> ExplainRequest:
    """The request for an explanation; ``image`` is as ``image_bytes`` takes it.

    Raises RequestError where a word is not in the contract, and what ``image_bytes`` raises.
    """
    findings, saliency = choices.get("findings", ()), choices.get("saliency", ())
    options = ExplainOptions(
        findings=tuple(_several(findings)),
        profile=_member(Profile, choices.get("profile", Profile.TWO_SIDED), "profile"),
        frames=choices.get("frames"),
        heatmap=_member(HeatmapKind, choices.get("heatmap", HeatmapKind.MAX), "heatmap"),
        lambda_min=choices.get("lambda_min"),
        lambda_max=choices.get("lambda_max"),
        target_change=choices.get("target_change"),
        pixel_change=choices.get("pixel_change"),
        saliency=tuple(_member(SaliencyKind, kind, "saliency") for kind in _several(saliency)),
        source_frame=choices.get("source_frame", 1),
        least_frames=choices.get("least_frames"),
    )
    model, request_id = choices.get("model", ""), choices.get("request_id", "")
    return ExplainRequest(image_bytes(image), model, options, request_id or new_request_id())


def classify_request(image: ImageLike, model: str, request_id: str) -> ClassifyRequest:
    """The request for scores; ``image`` is as ``image_bytes`` takes it. Raises what ``image_bytes`` raises."""
    return ClassifyRequest(image_bytes(image), model, request_id or new_request_id())


def image_bytes(image: ImageLike) -> bytes:
    """The image as the bytes of a file; an array becomes an NPY file.

    ``image`` is a file's bytes, its path, or an (H, W) array of uint8, uint16, or float in [0, 1]. Raises OSError for a
    file that cannot be read, RequestError for an array of something other than numbers.
    """
    if isinstance(image, str | Path):
        return Path(image).read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    array = np.asarray(image)
    if array.dtype.kind not in "uif":
        raise refuse("The image must be bytes, a path, or an array of numbers.", ProblemCode.INVALID_IMAGE)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def new_request_id() -> str:
    """A token that no other request has."""
    return uuid.uuid4().hex


def _several(words: str | Sequence[str]) -> Sequence[str]:
    return (words,) if isinstance(words, str) else words


def _member(kind: type[_Member], value: _Member | str, name: str) -> _Member:
    try:
        return kind(value)
    except ValueError as error:
        raise refuse(f"{name} must be one of {', '.join(kind)}.") from error
