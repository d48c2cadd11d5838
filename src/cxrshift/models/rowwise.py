"""Functions of the few numbers of a row, whose last bit does not depend on where the row stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import Tensor
from torch.nn import functional

_LANES: Final = 64


def rowwise(function: Callable[[Tensor], Tensor], rows: Tensor, *, fill: float = 0.0) -> Tensor:
    """``function``, which treats each number on its own, of ``rows`` (N, F) float32, of the same shape.

    A processor's loop over numbers takes a whole number of vectors and finishes the rest one by one, by another
    approximation of exp or log: which row that befalls depends on the number of rows. Here every row is filled up with
    ``fill``, a number in the units of the rows at which the function must be smooth, to whole vectors of every
    processor, and nothing is left over.
    """
    count = rows.shape[1]
    return function(functional.pad(rows, (0, -count % _LANES), value=fill))[:, :count]
