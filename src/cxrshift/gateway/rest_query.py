"""What a REST caller may say beside the image: query parameters, checked by pydantic and told by OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cxrshift.errors import InvalidRequest
from cxrshift.pacs.results import ObjectKind
from cxrshift_api.types import ExplainOptions, HeatmapKind, Profile, SaliencyKind

Number = Annotated[float, Field(allow_inf_nan=False)]
REPEATABLE = {"finding", "object", "saliency"}


def _split(given: Any) -> Any:
    return [kind for each in given for kind in each.split(",")]


class ClassifyQuery(BaseModel):
    """Query parameters of every operation on an image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field("", description="Name of a served model; absent = the default.")
    timeout: Annotated[float, Field(ge=0.01, allow_inf_nan=False)] | None = Field(
        None, description="Seconds after which an answer is of no use; at most the service's own limit."
    )


class ExplainQuery(ClassifyQuery):
    """Query parameters of an explanation; what is absent is the profile's own choice."""

    finding: list[str] = Field(
        [],
        description="Finding to explain; may be repeated. Absent = every finding at or above its operating point, "
        "else the highest.",
    )
    profile: Profile = Field(Profile.TWO_SIDED, description="How the range of shifts λ is found.")
    frames: int | None = Field(None, ge=2, le=101, description="Number of frames.")
    heatmap: HeatmapKind = Field(HeatmapKind.MAX, description="How the frames become one map of change.")
    lambda_min: Number | None = Field(None, description="Profile fixed: the most negative shift, at most 0.")
    lambda_max: Number | None = Field(None, description="Profile fixed: the most positive shift, at least 0.")
    target_change: Number | None = Field(
        None, description="Profile two-sided: score change at which a side ends, in (0, 1]."
    )
    pixel_change: Number | None = Field(
        None, description="Profile two-sided: share of the image that may change, in (0, 1]."
    )
    saliency: Annotated[list[SaliencyKind], BeforeValidator(_split)] = Field(
        [], description="Traditional map to add for comparison; may be repeated, or several joined by commas."
    )

    source_frame: int = Field(
        1, ge=1, le=1_000_000, description="Which frame of a DICOM file with several is explained, from 1."
    )
    least_frames: int | None = Field(
        None,
        ge=2,
        le=101,
        description="Where the timeout is too near for the frames asked for, make fewer, but no fewer than these; the "
        "answer's receipt and a warning say how many there are. Absent = all of them, or 504.",
    )
    object: Annotated[list[ObjectKind], BeforeValidator(_split)] = Field(
        [],
        description="Of a DICOM answer: which objects to make; may be repeated, or several joined by commas. Absent = "
        "stack, overlay and report as multipart/related, the stack as application/dicom, which holds one.",
    )

    def to_options(self) -> ExplainOptions:
        """The options as the service takes them."""
        chosen: dict[str, Any] = self.model_dump(exclude={"model", "timeout", *REPEATABLE})
        return ExplainOptions(findings=tuple(self.finding), saliency=tuple(self.saliency), **chosen)


def refuse_repeats(request: Request) -> None:
    """Raise InvalidRequest where a parameter that can mean one thing only is given twice."""
    query = request.query_params
    for name in ExplainQuery.model_fields:
        if name not in REPEATABLE and len(query.getlist(name)) > 1:
            raise InvalidRequest(f"The query parameter {name} is given more than once; give it once.")


def invalid_query(error: RequestValidationError, known: Sequence[str]) -> InvalidRequest:
    """The validator's complaints in words, without the caller's own: pydantic's ``msg`` does not quote the input."""
    return InvalidRequest(" ".join(dict.fromkeys(_say(complaint, known) for complaint in error.errors())))


def _say(complaint: Mapping[str, Any], known: Sequence[str]) -> str:
    place = complaint["loc"]
    name = place[1] if len(place) > 1 else ""
    if name not in known:  # a name of the caller's own
        return f"There is a query parameter that is not known here; known are: {', '.join(known) or 'none'}."
    return f"The query parameter {name} is wrong: {complaint['msg']}."
