"""What ``import cxrshift`` offers, what it costs, and what the one call of the library does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cxrshift
from cxrshift import Explanation, FindingSpec, Problem, ProblemCode, Radiograph
from cxrshift.errors import InvalidRequest, ManifestError
from tests.core.toys import CurveModel, LinearModel, grey, logistic, noise, with_specs

MODEL = CurveModel((logistic(0.5, 200.0), logistic(0.52, 200.0)))


def explanation(outcome: Explanation | Problem) -> Explanation:
    assert isinstance(outcome, Explanation), outcome
    return outcome


def problem(outcome: Explanation | Problem) -> Problem:
    assert isinstance(outcome, Problem)
    return outcome


@pytest.mark.parametrize("package", ["cxrshift", "cxrshift_client", "cxrshift.errors"])
def test_importing_the_package_imports_no_torch(package: str) -> None:
    heavy = "torch", "pydicom", "PIL", "matplotlib", "fastapi", "cxrshift.core"
    check = f"import sys, {package}; print([name for name in {heavy!r} if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_importing_the_package_alone_imports_not_even_numpy() -> None:
    check = "import sys, cxrshift; print('numpy' in sys.modules, 'google.protobuf' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False False"


def test_every_public_name_is_there_and_sorted() -> None:
    assert cxrshift.__all__ == sorted(cxrshift.__all__)
    assert len(set(cxrshift.__all__)) == len(cxrshift.__all__)
    for name in cxrshift.__all__:
        assert getattr(cxrshift, name) is not None
    assert set(cxrshift.__all__) <= set(dir(cxrshift))
    assert cxrshift.__version__[0].isdigit()


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="expalin"):
        cxrshift.expalin  # noqa: B018


def test_each_radiograph_gets_one_answer_in_its_order() -> None:
    radiographs: list[Any] = [grey(0.5), np.full((30, 20), 0.49), grey(0.51)]
    outcomes = cxrshift.explain(MODEL, radiographs, finding="F1", frames=5, heatmap="mean")
    assert [explanation(o).finding for o in outcomes] == ["F1"] * 3
    assert [round(float(explanation(o).radiograph_scores[1]), 3) for o in outcomes] == [0.018, 0.002, 0.119]
    assert {len(explanation(o).frames) for o in outcomes} == {5}
    assert {explanation(o).heatmap_kind for o in outcomes} == {cxrshift.HeatmapKind.MEAN}


@pytest.mark.parametrize("saliency", ["input-gradient", ["integrated-gradients", "input-gradient"]])
def test_traditional_maps_are_added_where_they_are_named(saliency: str | list[str]) -> None:
    (outcome,) = cxrshift.explain(MODEL, [grey(0.5)], finding="F0", saliency=saliency)
    kinds = [saliency] if isinstance(saliency, str) else saliency
    assert [each.kind for each in explanation(outcome).saliency] == kinds


def test_without_a_name_the_trained_finding_with_the_highest_score_is_explained() -> None:
    specs = [FindingSpec("Best", trained=False), FindingSpec("Next"), FindingSpec("Last")]
    networks = CurveModel((logistic(0.3, 200.0), logistic(0.5, 200.0), logistic(0.52, 200.0)))
    model = with_specs(networks, specs)
    outcomes = cxrshift.explain(model, [grey(0.5), grey(0.51)], finding=[None, "Last"])
    assert [explanation(o).finding for o in outcomes] == ["Next", "Last"]


def test_an_array_of_images_is_as_many_radiographs_and_batches_do_not_matter() -> None:
    stack = np.stack([noise(seed).pixels for seed in range(18)]).astype(np.float64)
    together = cxrshift.explain(LinearModel(), stack, finding="A", profile="gifsplanation")
    for pixels, outcome in zip(stack[-3:], together[-3:], strict=True):
        (alone,) = cxrshift.explain(LinearModel(), [pixels], finding="A", profile="gifsplanation")
        np.testing.assert_array_equal(explanation(alone).frames, explanation(outcome).frames)
    assert cxrshift.explain(LinearModel(), []) == []


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4, 3)),
        np.zeros((0, 4)),
        np.full((20, 20), 128, np.uint8),
        np.full((20, 20), 1.5),
        np.full((20, 20), np.nan),
        Radiograph(np.full((20, 20), -0.1, np.float32)),
    ],
    ids=["colour", "empty", "uint8", "too bright", "NaN", "too dark"],
)
def test_a_picture_that_is_no_radiograph_is_its_own_problem(bad: Any) -> None:
    refused, answered = cxrshift.explain(MODEL, [bad, grey(0.5)], finding="F0")
    assert problem(refused).code is ProblemCode.INVALID_IMAGE
    assert explanation(answered).finding == "F0"


def test_an_unknown_finding_is_its_own_problem() -> None:
    refused, answered = cxrshift.explain(MODEL, [grey(0.5)] * 2, finding=["F9", "F0"])
    assert problem(refused).code is ProblemCode.UNKNOWN_FINDING
    assert explanation(answered).finding == "F0"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"profile": "three-sided"}, "two-sided, latentshift, gifsplanation, fixed"),
        ({"heatmap": "median"}, "max, mean, first-to-last, integrated"),
        ({"saliency": "grad-cam"}, "input-gradient, integrated-gradients, guided-backpropagation"),
        ({"saliency": ["input-gradient"] * 2}, "asked for twice"),
        ({"frames": 1000}, "2 to 101"),
        ({"finding": ["F0"]}, "name one for each"),
        ({"lambda_min": -1.0}, "the profile fixed"),
    ],
)
def test_an_option_that_no_radiograph_can_have_is_raised(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        cxrshift.explain(MODEL, [grey(0.5)] * 2, **wrong)


@pytest.mark.parametrize("single", [grey(0.5), np.full((16, 16), 0.5)])
def test_one_radiograph_without_a_list_is_told_so(single: Any) -> None:
    with pytest.raises(InvalidRequest, match="put it into a list"):
        cxrshift.explain(MODEL, single, finding="F0")


def test_a_model_that_is_not_there_is_a_manifest_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        cxrshift.load_model(tmp_path)
