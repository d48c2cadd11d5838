"""The evaluation on phantoms: of a model that knows nothing, and of the one in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cxrshift.evaluation.figures.phantom import draw_shares, wilson
from cxrshift.evaluation.phantom import FindingReport, PhantomReport, Share, evaluate_phantom
from cxrshift.models.loader import load_model
from cxrshift.phantom import FINDINGS

PHANTOM = Path(__file__).resolve().parents[2] / "model_store/phantom"


class BrightnessModel:
    """Every finding is the same smooth function of the mean grey value; the autoencoder is perfect."""

    input_size = 32
    input_range = (0.0, 1.0)

    def __init__(self, findings: tuple[str, ...]) -> None:
        self.findings = findings

    def encode(self, images: Tensor) -> Tensor:
        return images

    def decode(self, latents: Tensor) -> Tensor:
        return latents

    def score(self, images: Tensor) -> Tensor:
        bright = torch.sigmoid(20.0 * (images.mean((1, 2, 3)) - 0.5))
        return bright[:, None].expand(-1, len(self.findings))


def test_a_perfect_autoencoder_has_no_error_and_an_ignorant_classifier_no_skill() -> None:
    report = evaluate_phantom(BrightnessModel(FINDINGS), n=24, seed=1, workers=1)
    assert report.ssim == pytest.approx(1.0)
    assert report.mae == pytest.approx(0.0, abs=1e-6)
    assert [f.finding for f in report.findings] == list(FINDINGS)
    mean = sum(f.auroc for f in report.findings) / len(FINDINGS)
    assert 0.2 < mean < 0.8
    assert report.pooled("pointed").total == sum(f.pointed.total for f in report.findings) > 0


def test_the_same_seed_gives_the_same_report_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    reports = [
        evaluate_phantom(
            BrightnessModel(FINDINGS), n=3, seed=2, workers=1, progress=lambda done, total: told.append((done, total))
        )
        for _ in range(2)
    ]
    assert repr(reports[0]) == repr(reports[1])  # NaN is not equal to itself
    assert told[-1][0] == told[-1][1] > 0


class DeafModel(BrightnessModel):
    """No score depends on the latent: there is nothing to explain by."""

    def score(self, images: Tensor) -> Tensor:
        return super().score(images.detach())


def test_an_explanation_that_is_refused_counts_as_one_that_reached_nothing() -> None:
    report = evaluate_phantom(DeafModel(FINDINGS), n=4, seed=3, workers=1)
    assert report.refused >= 4
    assert report.pooled("pointed").total > report.pooled("pointed").reached == 0
    assert str(report.ssim) == "nan"


def test_a_model_of_other_findings_is_refused() -> None:
    with pytest.raises(ValueError, match="knows Cardiomegaly"):
        evaluate_phantom(BrightnessModel(("Fracture",)), n=1, seed=0)
    with pytest.raises(ValueError, match="at least one phantom"):
        evaluate_phantom(BrightnessModel(FINDINGS), n=0, seed=0)


def test_a_share_without_cases_is_not_a_number() -> None:
    assert Share(3, 4).value == 0.75
    assert str(Share(0, 0).value) == "nan"


@pytest.fixture(scope="module")
def report() -> PhantomReport:
    """The embedded model on a few phantoms: enough to see that the right weights are there and work."""
    return evaluate_phantom(load_model(PHANTOM), n=60, seed=7)


def test_the_embedded_model_reproduces_and_recognises_phantoms(report: PhantomReport) -> None:
    assert report.ssim >= 0.85
    assert min(f.auroc for f in report.findings) >= 0.9


def test_the_embedded_models_explanations_move_the_score_and_point_at_the_finding(report: PhantomReport) -> None:
    assert report.pooled("dropped").value >= 0.85
    assert report.pooled("raised").value >= 0.65
    assert report.pooled("pointed").value >= 0.7


def test_the_interval_of_a_share_has_some_width_at_both_ends() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I


def test_a_share_of_nothing_is_drawn_too() -> None:
    finding = FindingReport("Mass", 0.9, Share(3, 4), Share(0, 0), Share(4, 4), 0.4)
    drawn = draw_shares(PhantomReport("toy", "1", 5, 0, 0.9, 20.0, (finding,)))
    assert drawn.startswith(b"\x89PNG")
    assert drawn == draw_shares(PhantomReport("toy", "1", 5, 0, 0.9, 20.0, (finding,)))
