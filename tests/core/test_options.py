"""What may be asked, and which findings are meant."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxrshift.core.model import FindingSpec, LatentModel, Model, ModelSpec, as_model
from cxrshift.core.options import check_options, choose_findings, settle_options
from cxrshift.errors import InvalidRequest, RequestError, UnknownFinding, UntrainedFinding
from cxrshift_api.types import ExplainOptions, HeatmapKind, Profile, SaliencyKind
from tests.core.toys import CurveModel, LinearModel, logistic

SPEC = ModelSpec(
    name="toy",
    version="1",
    summary="",
    input_size=16,
    input_range=(0.0, 1.0),
    findings=(FindingSpec("Mass", 0.5), FindingSpec("Hernia", 0.5, trained=False), FindingSpec("Edema", 0.3)),
)
FIXED, TWO_SIDED = Profile.FIXED, Profile.TWO_SIDED


@pytest.mark.parametrize(
    "options",
    [
        ExplainOptions(),
        ExplainOptions(("Edema", "Mass")),
        ExplainOptions(frames=2),
        ExplainOptions(saliency=tuple(SaliencyKind)),
        ExplainOptions(frames=101, target_change=1.0, pixel_change=1e-9),
        ExplainOptions(profile=FIXED, lambda_min=-1e30),
        ExplainOptions(profile=FIXED, lambda_max=1e-30),
        ExplainOptions(profile=FIXED, lambda_min=-0.0, lambda_max=7.0),
    ],
)
def test_what_is_in_range_is_accepted(options: ExplainOptions) -> None:
    check_options(options, SPEC)


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        (ExplainOptions(frames=1), InvalidRequest, "2 to 101"),
        (
            ExplainOptions(saliency=(SaliencyKind.INPUT_GRADIENT,) * 2),
            InvalidRequest,
            "saliency map was asked for twice",
        ),
        (ExplainOptions(frames=102), InvalidRequest, "2 to 101"),
        (ExplainOptions(frames=0), InvalidRequest, "2 to 101"),
        (ExplainOptions(target_change=0.0), InvalidRequest, "target_change must be above 0"),
        (ExplainOptions(target_change=1.01), InvalidRequest, "at most 1"),
        (ExplainOptions(pixel_change=math.nan), InvalidRequest, "pixel_change must be above 0"),
        (ExplainOptions(profile=Profile.LATENTSHIFT, target_change=0.5), InvalidRequest, "two-sided"),
        (ExplainOptions(profile=FIXED, lambda_min=-1, pixel_change=0.5), InvalidRequest, "two-sided"),
        (ExplainOptions(lambda_min=-1.0), InvalidRequest, "the profile fixed"),
        (ExplainOptions(profile=Profile.GIFSPLANATION, lambda_max=0.0), InvalidRequest, "the profile fixed"),
        (ExplainOptions(profile=FIXED), InvalidRequest, "other than 0"),
        (ExplainOptions(profile=FIXED, lambda_min=1.0, lambda_max=2.0), InvalidRequest, "at most 0"),
        (ExplainOptions(profile=FIXED, lambda_max=-1.0), InvalidRequest, "at least 0"),
        (ExplainOptions(profile=FIXED, lambda_min=math.nan), InvalidRequest, "at most 0"),
        (ExplainOptions(profile=FIXED, lambda_min=-math.inf), InvalidRequest, "away from it"),
        (ExplainOptions(profile=FIXED, lambda_max=1e300), InvalidRequest, "away from it"),
        (ExplainOptions(profile=FIXED, lambda_max=1e-300), InvalidRequest, "away from it"),
        (ExplainOptions(("Mass", "Mass")), InvalidRequest, "twice"),
        (ExplainOptions(tuple(f"x{i}" for i in range(33))), InvalidRequest, "at most 32"),
        (ExplainOptions(("Hernia",)), UntrainedFinding, "not trained on Hernia; it was on Mass, Edema"),
        (ExplainOptions(("mass",)), UnknownFinding, "it knows Mass, Edema"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_be_right(
    options: ExplainOptions, error: type[RequestError], hint: str
) -> None:
    with pytest.raises(error, match=hint):
        check_options(options, SPEC)


def test_an_unknown_finding_is_not_repeated() -> None:
    with pytest.raises(UnknownFinding) as caught:
        check_options(ExplainOptions(("Jane Doe 1970",)), SPEC)
    assert "Jane" not in caught.value.message


@pytest.mark.parametrize(
    ("asked", "scores", "columns"),
    [
        (("Edema", "Mass"), [0.0, 0.0, 0.0], (2, 0)),
        ((), [0.5, 0.9, 0.3], (0, 2)),
        ((), [0.4, 0.9, 0.35], (2,)),
        ((), [0.2, 0.9, 0.1], (0,)),
        ((), [0.1, 0.9, 0.2], (2,)),
    ],
    ids=["asked for", "both present", "one present", "highest below", "other highest below"],
)
def test_findings_are_those_asked_for_else_present_else_the_highest(
    asked: tuple[str, ...], scores: list[float], columns: tuple[int, ...]
) -> None:
    assert choose_findings(ExplainOptions(asked), SPEC, np.array(scores, np.float32)) == columns


@pytest.mark.parametrize(
    ("options", "settled"),
    [
        (ExplainOptions(), ExplainOptions(frames=11, target_change=0.8, pixel_change=0.15)),
        (ExplainOptions(profile=FIXED, lambda_min=-2), ExplainOptions((), FIXED, 11, lambda_min=-2, lambda_max=0.0)),
        (ExplainOptions(profile=Profile.LATENTSHIFT), ExplainOptions((), Profile.LATENTSHIFT, 10)),
        (ExplainOptions((), TWO_SIDED, 7, HeatmapKind.MEAN, None, None, 0.3, 0.2),) * 2,
    ],
)
def test_settling_fills_in_the_profiles_own_values(options: ExplainOptions, settled: ExplainOptions) -> None:
    assert settle_options(options) == settled
    assert settle_options(settled) == settled


def test_anything_that_encodes_decodes_and_scores_is_a_model() -> None:
    linear = LinearModel()
    assert isinstance(linear, LatentModel)
    model = as_model(linear)
    assert (model.spec.input_size, model.spec.input_range) == (16, (-1.0, 1.0))
    assert [finding.name for finding in model.spec.findings] == ["A", "B", "C"]
    assert as_model(model) is model


def test_a_bare_model_gets_the_conventions_of_torchxrayvision() -> None:
    class Bare:
        findings = ("Mass",)
        encode = decode = score = staticmethod(lambda tensor: tensor)

    spec = as_model(Bare()).spec
    assert (spec.input_size, spec.input_range, spec.findings[0].operating_point) == (224, (-1024.0, 1024.0), 0.5)


def test_a_manifests_facts_outrank_the_networks_own() -> None:
    networks = CurveModel((logistic(0.5, 1.0),))
    assert as_model(Model(SPEC, networks)).spec is SPEC
