"""Many findings of one radiograph share a forward pass, and none of them is altered by that."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cxrshift.core.model import as_model
from cxrshift.core.passes import Passes
from cxrshift.core.probe import aim, gradient_calls
from cxrshift.core.runtime import Shapes
from tests.core.toys import ConvolutionalModel, LinearModel

IMAGES = [0, 2, 0, 1, 0]
COLUMNS = [2, 1, 0, 1, 1]


class Counting(ConvolutionalModel):
    """Counts how often it decodes."""

    decoded = 0

    def decode(self, latents: Tensor) -> Tensor:
        self.decoded += 1
        return super().decode(latents)


def latents_of(model: ConvolutionalModel, images: int) -> Tensor:
    noise = torch.randn(images, 1, 32, 32, generator=torch.Generator().manual_seed(5))
    return Passes(as_model(model), Shapes(encode=1)).encode(noise * 500)


@pytest.mark.parametrize("width", [1, 2, 8])
def test_findings_of_one_radiograph_get_together_what_each_gets_alone(width: int) -> None:
    model = Counting()
    passes, latents = Passes(as_model(model), Shapes(gradient=width)), latents_of(model, 3)
    targets = aim(passes, latents, IMAGES, COLUMNS)
    for i, (image, column) in enumerate(zip(IMAGES, COLUMNS, strict=True)):
        alone = aim(passes, latents, [image], [column])
        assert torch.equal(targets.gradients[i], alone.gradients[0])
        assert torch.equal(targets.reconstructions[targets.images[i]], alone.reconstructions[0])
        assert (targets.start[i], targets.squared_norms[i]) == (alone.start[0], alone.squared_norms[0])


def test_a_radiograph_is_decoded_once_for_all_its_findings() -> None:
    model = Counting()
    passes, latents = Passes(as_model(model), Shapes(gradient=1)), latents_of(model, 1)
    aim(passes, latents, [0, 0, 0], [0, 1, 2])
    assert model.decoded == 1


def test_every_finding_has_the_gradient_of_its_closed_form() -> None:
    model = LinearModel()
    latent = torch.tensor([[0.3, -0.2, 0.1, 0.4, 0.0]])
    targets = aim(Passes(as_model(model)), latent, [0, 0, 0], [0, 1, 2])
    slopes = targets.scores[0] * (1 - targets.scores[0])
    expected = torch.from_numpy(slopes)[:, None] * (model.weights @ model.basis)
    torch.testing.assert_close(targets.gradients, expected)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 9))
def test_calls_of_the_gradient_pass_hold_every_target_once_and_cost_no_more_than_one_by_one(
    rows: list[int], width: int
) -> None:
    calls = gradient_calls(rows, width)
    assert sorted(target for call in calls for slot in call for target in slot) == list(range(len(rows)))
    for call in calls:
        assert len(call) <= width
        assert all(len({rows[target] for target in slot}) == 1 for slot in call)
    assert sum(1 + max(map(len, call)) for call in calls) <= 2 * -(-len(rows) // width)


def test_one_radiograph_of_many_findings_does_not_hold_up_a_wide_call() -> None:
    """Nine of one and one of each other seven: two calls of one backward pass each, not one of ten."""
    calls = gradient_calls([0] * 9 + [1, 2, 3, 4, 5, 6, 7], 8)
    assert [max(map(len, call)) for call in calls] == [1, 1]
