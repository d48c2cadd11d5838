"""The quality card's limits: what is familiar, what each limit makes it say, and what is measured once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cxrshift.core.engine import Engine, Order
from cxrshift.core.familiarity import Familiarity
from cxrshift.core.limits import QualityLimits
from cxrshift.core.model import FindingSpec, Model
from cxrshift_api.types import ExplainOptions
from tests.core.toys import CurveModel, LinearModel, explain_one, grey, logistic, noise, with_specs

F0 = ExplainOptions(("F0",))
STEEP = logistic(0.5, 200.0)
OFF = QualityLimits(None, None, None, None, None, None)


def judged(limits: QualityLimits, *, mean: float = 0.5, spread: float = 0.01) -> Engine:
    """A model whose latent, the image's mean, was ``mean`` ± ``spread`` while it was trained."""
    model = with_specs(CurveModel((STEEP,)), [FindingSpec("F0")])
    familiar = Familiarity(torch.tensor([mean]), torch.tensor([[1.0]]), torch.tensor([spread**2]), torch.tensor(1.0))
    return Engine(replace(model, spec=replace(model.spec, limits=limits), familiarity=familiar))


def test_the_distance_counts_along_the_axes_and_across_them() -> None:
    """z - μ = (3, 4, 5): 3 / 2 along the first axis of standard deviation 2, 4 and 5 across, where σ² is 4."""
    familiar = Familiarity(
        torch.ones(3), torch.tensor([[1.0, 0.0, 0.0]]).half(), torch.tensor([4.0]), torch.tensor(4.0)
    )
    latent = torch.tensor([[4.0], [5.0], [6.0]])
    assert familiar.distance(latent) == pytest.approx(((9 / 4 + 16 / 4 + 25 / 4) / 3) ** 0.5)
    assert familiar.distance(torch.ones(3)) == 0.0


def test_the_card_tells_the_distance_in_units_of_the_limit_and_warns_past_it() -> None:
    engine = judged(replace(OFF, max_distance=2.0))
    near = explain_one(engine, grey(0.51), F0).quality
    assert near.distance == pytest.approx(0.5, rel=1e-4)  # 0.01 / 0.01 / 2
    assert near.warnings == ()
    far = explain_one(engine, grey(0.54), F0).quality
    assert far.distance == pytest.approx(2.0, rel=1e-4)
    assert far.warnings[0].startswith(
        "This image is unlike the radiographs that the model was trained on (2.00 times the largest usual distance)"
    )


@pytest.mark.parametrize("model", [judged(OFF), Engine(CurveModel((STEEP,)))])
def test_without_a_reference_or_a_limit_there_is_no_distance(model: Engine) -> None:
    card = explain_one(model, grey(0.54), F0).quality
    assert card.distance is None
    assert not any("unlike" in warning for warning in card.warnings)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (QualityLimits(None, None, None, None, None, None), []),
        (replace(OFF, min_detail=0.01), ["hardly any detail"]),
        (replace(OFF, min_movement=1.0), ["hardly moves the score"]),
        (replace(OFF, min_monotonicity=1.0), []),
        (replace(OFF, min_detail=0.01, min_movement=1.0), ["hardly any detail", "hardly moves the score"]),
    ],
)
def test_each_limit_makes_its_own_warning(limits: QualityLimits, words: list[str]) -> None:
    warnings = explain_one(judged(limits), grey(0.5), F0).quality.warnings
    assert [word for word in words if any(word in warning for warning in warnings)] == words
    assert len(warnings) == len(words)


def test_a_search_held_back_by_pixels_is_a_fault_only_where_the_score_hardly_moved() -> None:
    options = ExplainOptions(("F0",), pixel_change=0.01)
    strict, lenient = (Engine(_gentle(limit)) for limit in (0.5, 0.001))
    assert "before too many pixels change" in explain_one(strict, grey(0.5), options).quality.warnings[0]
    assert explain_one(lenient, grey(0.5), options).quality.warnings == ()


def _gentle(min_movement: float) -> Model:
    model = with_specs(CurveModel((logistic(0.5, 4.0),)), [FindingSpec("F0")])
    return replace(model, spec=replace(model.spec, limits=replace(OFF, min_movement=min_movement)))


def test_the_findings_of_one_radiograph_share_what_belongs_to_it() -> None:
    (outcome,) = Engine(LinearModel()).explain([Order(noise(0), ExplainOptions(("A", "B", "C")))]).outcomes
    assert isinstance(outcome, tuple)
    alone = [explain_one(Engine(LinearModel()), noise(0), ExplainOptions((name,))) for name in ("A", "B", "C")]
    assert [e.quality for e in outcome] == [e.quality for e in alone]
    assert len({(e.quality.ssim, e.quality.mae) for e in outcome}) == 1


def test_what_the_file_says_against_itself_comes_first_and_touches_no_neighbour() -> None:
    engine = judged(replace(OFF, max_distance=2.0))
    plain = grey(0.54)
    doubted = replace(plain, doubts=("The file says that this is a knee.",))
    outcomes = engine.explain([Order(plain, F0), Order(doubted, F0)]).outcomes
    [[without], [with_doubt]] = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert with_doubt.quality.warnings == (*doubted.doubts, *without.quality.warnings)
    assert replace(with_doubt.quality, warnings=()) == replace(without.quality, warnings=())
