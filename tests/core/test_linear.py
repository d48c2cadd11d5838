"""On a linear decoder and a logistic score every number of an explanation has a closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from cxrshift.core.engine import Engine
from cxrshift.core.preprocess import pixel_scale, prepare
from cxrshift_api.types import ExplainOptions, Explanation, Float32Array, HeatmapKind, Profile
from tests.core.toys import LinearModel, explain_one, noise

MODEL = LinearModel()
ENGINE = Engine(MODEL)
RADIOGRAPH = noise(1)
OPTIONS = ExplainOptions(("B",), profile=Profile.FIXED, lambda_min=-3.0, lambda_max=2.0, frames=7)


@dataclass(frozen=True)
class ClosedForm:
    """z, g, x₀ and scores, in float64 by numpy alone."""

    reconstruction: np.ndarray[tuple[int], np.dtype[np.float64]]
    direction: np.ndarray[tuple[int], np.dtype[np.float64]]
    gradient_norm: float
    start: float

    def frames(self, lambdas: Float32Array) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return self.reconstruction + lambdas[:, None].astype(np.float64) * self.direction


def solve(column: int) -> ClosedForm:
    basis, weights, offset = (t.double().numpy() for t in (MODEL.basis, MODEL.weights, MODEL.offset))
    image = prepare(RADIOGRAPH, ENGINE.spec).double().numpy().ravel()
    latent = np.linalg.pinv(basis) @ (image - offset)
    reconstruction = basis @ latent + offset
    start = 1 / (1 + np.exp(-(weights[column] @ reconstruction + MODEL.bias[column].item())))
    gradient = start * (1 - start) * basis.T @ weights[column]
    return ClosedForm(reconstruction, basis @ gradient, float(np.linalg.norm(gradient)), float(start))


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    return explain_one(ENGINE, RADIOGRAPH, OPTIONS)


@pytest.fixture(scope="module")
def expected() -> ClosedForm:
    return solve(1)


def test_gradient_start_and_frames_follow_the_formula(explanation: Explanation, expected: ClosedForm) -> None:
    np.testing.assert_allclose(explanation.lambdas, [-3, -2, -1, 0, 2 / 3, 4 / 3, 2], rtol=1e-6)
    assert explanation.quality.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-5)
    assert explanation.score == pytest.approx(expected.start, rel=1e-5)
    frames = expected.frames(explanation.lambdas).reshape(7, 16, 16)
    step = explanation.scale.scale
    np.testing.assert_allclose(explanation.frames_in_model_units(), frames.clip(-1, 1), atol=step / 2 + 1e-5)


def test_every_findings_score_is_that_of_the_frame(explanation: Explanation, expected: ClosedForm) -> None:
    frames = expected.frames(explanation.lambdas)
    logits = frames @ MODEL.weights.double().numpy().T + MODEL.bias.double().numpy()
    np.testing.assert_allclose(explanation.scores, 1 / (1 + np.exp(-logits)), rtol=1e-4)
    assert explanation.findings == ("A", "B", "C")
    assert explanation.score_curve.tolist() == explanation.scores[:, 1].tolist()


@pytest.mark.parametrize(
    ("kind", "share"),
    [
        (HeatmapKind.MAX, 3.0),
        (HeatmapKind.MEAN, (3 + 2 + 1 + 0 + 2 / 3 + 4 / 3 + 2) / 7),
        (HeatmapKind.FIRST_TO_LAST, 5.0),
        (HeatmapKind.INTEGRATED, 5.0 / 6),
    ],
)
def test_each_heatmap_is_a_known_multiple_of_the_direction(
    kind: HeatmapKind, share: float, expected: ClosedForm
) -> None:
    heatmap = explain_one(ENGINE, RADIOGRAPH, replace(OPTIONS, heatmap=kind)).heatmap
    np.testing.assert_allclose(heatmap.ravel(), share * np.abs(expected.direction), rtol=1e-3, atol=1e-6)


def test_the_quality_card_measures_what_it_says(explanation: Explanation, expected: ClosedForm) -> None:
    image = prepare(RADIOGRAPH, ENGINE.spec).numpy().ravel()
    card = explanation.quality
    curve = explanation.score_curve
    assert card.mae == pytest.approx(np.abs(image - expected.reconstruction).mean(), rel=1e-4)
    assert card.score_gap == pytest.approx(abs(explanation.radiograph_scores[1] - expected.start), rel=1e-4)
    assert card.drop == pytest.approx(float(curve[3] - curve[0]))
    assert card.rise == pytest.approx(float(curve[6] - curve[3]))
    assert card.monotonicity == 1.0
    assert any("poorly" in warning for warning in card.warnings)


def test_what_was_seen_and_asked_is_in_the_reply(explanation: Explanation) -> None:
    stored = explanation.radiograph.astype(np.float32) * np.float32(explanation.scale.scale) - 1.0
    np.testing.assert_allclose(stored, prepare(RADIOGRAPH, ENGINE.spec)[0], atol=explanation.scale.scale / 2 + 1e-6)
    assert explanation.scale == pixel_scale(ENGINE.spec)
    assert explanation.operating_point == 0.5
    assert explanation.receipt.options == OPTIONS
    assert explanation.receipt.model == "LinearModel"
    assert "16 x 16" in explanation.receipt.preprocessing
    assert torch.__version__ in explanation.receipt.software


@pytest.mark.parametrize(
    "options",
    [
        ExplainOptions(("A",)),
        ExplainOptions(("B",), frames=6, heatmap=HeatmapKind.MEAN, target_change=0.2),
        ExplainOptions(("C",), profile=Profile.LATENTSHIFT),
        ExplainOptions(("A",), profile=Profile.GIFSPLANATION, frames=5, heatmap=HeatmapKind.INTEGRATED),
    ],
    ids=lambda options: options.profile.value,
)
def test_a_receipt_and_the_limits_found_are_enough_to_repeat(options: ExplainOptions) -> None:
    """Once as the receipt says, and once with the search replaced by its result."""
    first = explain_one(ENGINE, RADIOGRAPH, options)
    settled = first.receipt.options
    limits = ExplainOptions(
        settled.findings, Profile.FIXED, settled.frames, settled.heatmap, first.below.limit, first.above.limit
    )
    for again in (settled, limits):
        second = explain_one(ENGINE, RADIOGRAPH, again)
        for name in ("lambdas", "scores", "frames", "heatmap", "radiograph"):
            np.testing.assert_array_equal(getattr(second, name), getattr(first, name))
        assert second.quality.drop == first.quality.drop
