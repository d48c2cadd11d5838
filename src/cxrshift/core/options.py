"""Checks what a caller asked for and settles which findings are meant."""

from __future__ import annotations

from dataclasses import replace

from cxrshift_api.types import ExplainOptions, Float32Array, Profile

from ..errors import InvalidRequest, UnknownFinding, UntrainedFinding
from .model import ModelSpec
from .profiles import DEFAULT_FRAMES, TWO_SIDED_PIXEL_CHANGE, TWO_SIDED_TARGET

MIN_FRAMES = 2
"""Fewest frames that can be asked for: two make a change."""
MAX_FRAMES = 101
"""Most frames that can be asked for."""
MAX_FINDINGS = 32
"""Most findings that one request can name."""
SMALLEST_LAMBDA, LARGEST_LAMBDA = 1e-30, 1e30
"""Limits other than 0 lie between these, well inside what the float32 arithmetic of the shift can hold."""


def check_options(options: ExplainOptions, spec: ModelSpec) -> None:
    """Refuse what cannot be meant. Raises InvalidRequest, UnknownFinding or UntrainedFinding."""
    if options.frames is not None and not MIN_FRAMES <= options.frames <= MAX_FRAMES:
        raise InvalidRequest(f"frames is {options.frames}; it must be {MIN_FRAMES} to {MAX_FRAMES}.")
    least = options.least_frames
    if least is not None and not MIN_FRAMES <= least <= (options.frames or DEFAULT_FRAMES[options.profile]):
        raise InvalidRequest(f"least_frames is {least}; it must be {MIN_FRAMES} to the number of frames asked for.")
    _check_fixed_range(options)
    for name in ("target_change", "pixel_change"):
        value = getattr(options, name)
        if value is None:
            continue
        if options.profile is not Profile.TWO_SIDED:
            raise InvalidRequest(f"{name} goes with the profile two-sided; {options.profile.value} has its own rules.")
        if not 0.0 < value <= 1.0:
            raise InvalidRequest(f"{name} must be above 0 and at most 1.")
    if len(set(options.saliency)) != len(options.saliency):
        raise InvalidRequest("A saliency map was asked for twice; name each once.")
    _check_findings(options, spec)


def _check_findings(options: ExplainOptions, spec: ModelSpec) -> None:
    if not any(known.trained for known in spec.findings):
        raise UntrainedFinding(f"The model {spec.name} was not trained on any finding.")
    if len(options.findings) > MAX_FINDINGS:
        raise InvalidRequest(f"{len(options.findings)} findings were asked for; at most {MAX_FINDINGS} can be.")
    if len(set(options.findings)) != len(options.findings):
        raise InvalidRequest("A finding was asked for twice; name each once.")
    for finding in options.findings:
        _check_finding(finding, spec)


def settle_options(options: ExplainOptions) -> ExplainOptions:
    """The options with the profile's own values where the caller left the choice: what a receipt must hold."""
    settled = replace(options, frames=options.frames or DEFAULT_FRAMES[options.profile])
    match options.profile:
        case Profile.TWO_SIDED:
            return replace(
                settled,
                target_change=options.target_change or TWO_SIDED_TARGET,
                pixel_change=options.pixel_change or TWO_SIDED_PIXEL_CHANGE,
            )
        case Profile.FIXED:
            return replace(settled, lambda_min=options.lambda_min or 0.0, lambda_max=options.lambda_max or 0.0)
        case _:
            return settled


def _check_fixed_range(options: ExplainOptions) -> None:
    low, high = options.lambda_min, options.lambda_max
    if options.profile is not Profile.FIXED:
        if low is not None or high is not None:
            raise InvalidRequest("lambda_min and lambda_max go with the profile fixed; the others search for them.")
        return
    low, high = low or 0.0, high or 0.0
    if not (low <= 0.0 <= high and low < high):
        raise InvalidRequest(
            "The profile fixed needs lambda_min at most 0 and lambda_max at least 0, and one of them other than 0."
        )
    for limit in (low, high):
        if limit != 0.0 and not SMALLEST_LAMBDA <= abs(limit) <= LARGEST_LAMBDA:
            raise InvalidRequest(
                f"lambda_min and lambda_max must be 0, or {SMALLEST_LAMBDA:g} to {LARGEST_LAMBDA:g} away from it."
            )


def _check_finding(finding: str, spec: ModelSpec) -> None:
    trained = [known.name for known in spec.findings if known.trained]
    for known in spec.findings:
        if known.name == finding:
            if known.trained:
                return
            raise UntrainedFinding(
                f"The model {spec.name} was not trained on {known.name}; it was on {', '.join(trained)}."
            )
    # The unknown name is the caller's text and is not repeated: it would travel into logs.
    raise UnknownFinding(f"The model {spec.name} does not know that finding; it knows {', '.join(trained)}.")


def choose_findings(options: ExplainOptions, spec: ModelSpec, scores: Float32Array) -> tuple[int, ...]:
    """Columns of the findings to explain, given the radiograph's own ``scores`` (F,) in [0, 1].

    Those asked for, in that order; else every trained finding at or above its operating point; else the one whose score
    is highest. The options are those that ``check_options`` let pass.
    """
    names = [finding.name for finding in spec.findings]
    if options.findings:
        return tuple(names.index(finding) for finding in options.findings)
    trained = [column for column, finding in enumerate(spec.findings) if finding.trained]
    present = tuple(column for column in trained if scores[column] >= spec.findings[column].operating_point)
    return present or (max(trained, key=lambda column: float(scores[column])),)
