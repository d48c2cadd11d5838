"""The last bit of a row's scores must not depend on where the row stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cxrshift.models.rowwise import rowwise


@pytest.mark.parametrize("function", [torch.sigmoid, torch.log])
@pytest.mark.parametrize("findings", [1, 6, 18, 64, 70])
def test_a_row_gets_the_same_bits_in_every_place(function: Callable[[Tensor], Tensor], findings: int) -> None:
    random = torch.Generator().manual_seed(findings)
    rows = torch.rand(256, findings, generator=random) * 4 + 0.1
    together = rowwise(function, rows, fill=1.0)
    torch.testing.assert_close(together, function(rows))
    for count in (1, 3, 4):
        some = torch.randperm(256, generator=random)[:count]
        assert torch.equal(rowwise(function, rows[some], fill=1.0), together[some])


def test_what_fills_a_row_up_has_no_gradient() -> None:
    rows = torch.full((2, 3), 2.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(rowwise(torch.log, rows, fill=1.0).sum(), rows)
    assert torch.equal(gradient, torch.full((2, 3), 0.5))
