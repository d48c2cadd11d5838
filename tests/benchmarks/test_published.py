"""The comparison with the published package: its arithmetic, and all of it on a network that takes a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.networks import FINDINGS, SIZE, radiograph, to_input
from benchmarks.oracle import Published
from benchmarks.published import Case, Comparison, Match, compare, relative_error, summarize, tell_summaries
from benchmarks.published_plot import draw_bars
from benchmarks.rows import RowTimes, tell_rows
from benchmarks.selection import Pair
from cxrshift.core.model import as_model
from cxrshift_api.types import Profile

PAIR = Pair("torch", "float32")


class Coarse(nn.Module):
    """The picture's 64 greys as a latent, painted back; a finding's logit is a weighted sum of them."""

    findings = FINDINGS

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.register_buffer("weights", torch.randn(len(FINDINGS), 64, generator=random) / 1e3)

    def encode(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, SIZE // 8)

    def decode(self, latents: Tensor) -> Tensor:
        return functional.interpolate(latents, scale_factor=SIZE // 8)

    def forward(self, images: Tensor) -> Tensor:
        return torch.sigmoid(functional.avg_pool2d(images, SIZE // 8).flatten(1) @ self.get_buffer("weights").T + 1.0)

    score = forward


def made(
    *, published: Sequence[float] = (4.0, 6.0), same_grid: Sequence[float] = (2.0, 2.0), grid: bool = True
) -> Comparison:
    """A comparison of which only the times matter."""
    match = Match(grid, scores=1e-3, frames=2e-3)
    return Comparison(PAIR, Case(0, 0), tuple(published), tuple(same_grid), (1.0,) * len(published), 30, match)


def test_a_ratio_is_of_two_calls_in_a_row() -> None:
    slow = made(published=(40.0, 60.0), same_grid=(20.0, 20.0), grid=False)  # a minute in which all took ten times
    summary = summarize([made(), slow, made(published=(5.0,), same_grid=(2.0,))])
    assert summary.same_grid == pytest.approx(2.5)
    assert summary.default == pytest.approx(6.0)
    assert (summary.equal_grids, summary.cases, summary.scores) == (2, 3, 1e-3)


def test_a_relative_error_is_that_of_the_worst_image() -> None:
    theirs = np.ones((3, 2, 2), dtype=np.float32)
    ours = theirs.copy()
    ours[1] *= 1.5
    assert relative_error(ours, theirs) == pytest.approx(0.5)
    assert relative_error(theirs, theirs) == 0.0


def test_tables_and_picture_show_every_runtime() -> None:
    rows = RowTimes(PAIR, 4, 20.0, 60.0, 10.0, 2.0, 30.0, 40.0, 80.0, 150.0, 7.85)
    summary = summarize([made()])
    assert tell_summaries([summary]).splitlines()[1].split()[:4] == ["torch", "float32", "2.5", "5.0"]
    assert tell_rows([rows]).splitlines()[1].split() == (
        ["torch", "float32", "4", "20.00", "60.00", "3.0", "10.00", "2.00", "30.0", "40.0", "80.0", "150.0"]
    )
    assert draw_bars([summary, summary], [rows, rows], "a machine").startswith(b"\x89PNG")


def test_radiographs_are_the_same_for_both_and_different_from_one_another() -> None:
    case = Case(3, 7)
    order = case.order(Profile.LATENTSHIFT)
    assert order.options.findings == (FINDINGS[7],)
    np.testing.assert_allclose(case.image[0, 0].numpy(), order.radiograph.pixels * 2048 - 1024, atol=1e-3)
    assert not torch.equal(case.image, to_input(radiograph(4)))


def test_both_give_the_same_answer_in_turns() -> None:
    networks, case = Coarse(), Case(0, 0)
    try:
        published = Published(networks, networks)
    except PackageNotFoundError:
        pytest.skip("latentshift is not installed; requirements-oracles.lock names it (install with --no-deps)")
    answer = published.attribute(case.image, case.column)
    found = compare(PAIR, as_model(networks), published, case, answer, runs=2)
    assert found.points > 2
    assert found.match.same_grid
    assert found.match.scores < 1e-4
    assert found.match.frames < 1e-4
    assert len(found.published) == len(found.same_grid) == len(found.default) == 2
    assert min(found.published) > 0.0
