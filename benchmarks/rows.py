"""Each pass alone: ours at its runtime's width, the published way, and the measured limit."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cxrshift.core.model import Model
from cxrshift.core.passes import Passes

from . import networks
from .networks import Untrained
from .reporting import to_table
from .selection import Pair
from .timing import Call, Product, count_flops, in_turns, median_ratio

_TO_MS = 1e3


@dataclass(frozen=True)
class RowTimes:
    """Milliseconds of one row of each pass, medians. "eager": in torch, NCHW, float32, one row a call."""

    pair: Pair
    width: int
    """Rows in one call of the runtime's probe."""
    probe: float
    eager_probe: float
    limit: float
    """The row's operations at the rate of a matrix product measured in the same turns."""
    times_limit: float
    encode: float
    eager_encode: float
    gradient: float
    eager_gradient: float
    gflop: float
    """Of one decoded and classified row."""


def time_rows(pair: Pair, model: Model, theirs: Untrained, repeats: int) -> RowTimes:
    """Every pass of ``model``, whose weights are those of ``theirs``, in turns."""
    image = networks.to_input(networks.radiograph(0)).to(model.device)
    passes, product = Passes(model), Product(pair.precision, model.device)
    with torch.no_grad():
        latent = theirs.autoencoder.encode(image)  # type: ignore[operator]
    eager = _eager(theirs, image, latent)
    calls = {f"eager {name}": call for name, call in eager.items()}
    calls |= _ours(passes, image, latent) | {"limit": product.prepare()}
    for call in calls.values():
        call()
    seconds = in_turns(calls, repeats, model.device)
    widths = {"probe": passes.shapes.probe, "encode": passes.shapes.encode, "gradient": passes.shapes.gradient}
    flops = count_flops(eager["probe"])
    rows = {name: [s / widths.get(name, 1) for s in taken] for name, taken in seconds.items()}
    limits = [s * flops / product.flops for s in rows["limit"]]
    ms = {name: _TO_MS * statistics.median(taken) for name, taken in rows.items()}
    return RowTimes(
        pair=pair,
        width=widths["probe"],
        probe=ms["probe"],
        eager_probe=ms["eager probe"],
        limit=_TO_MS * statistics.median(limits),
        times_limit=median_ratio(rows["probe"], limits),
        encode=ms["encode"],
        eager_encode=ms["eager encode"],
        gradient=ms["gradient"],
        eager_gradient=ms["eager gradient"],
        gflop=flops / 1e9,
    )


def _ours(passes: Passes, image: Tensor, latent: Tensor) -> dict[str, Call]:
    shapes = passes.shapes
    images, columns = image.repeat(shapes.encode, 1, 1, 1), torch.zeros(shapes.gradient, 1, dtype=torch.int64)
    starts, latents = (latent.repeat(rows, 1, 1, 1) for rows in (shapes.gradient, shapes.probe))
    return {
        "encode": lambda: passes.encode(images),
        "gradient": lambda: passes.differentiate(starts, columns),
        "probe": lambda: passes.probe(latents),
    }


def _eager(theirs: Untrained, image: Tensor, latent: Tensor) -> dict[str, Call]:
    """As the published package runs the networks: a row a call, by the library's own modules."""
    autoencoder, classifier = theirs.autoencoder, theirs.classifier

    def decode_and_score(latent: Tensor) -> Tensor:
        return classifier(autoencoder.decode(latent))  # type: ignore[no-any-return, operator]

    def differentiate() -> object:
        leaf = latent.clone().requires_grad_(True)
        return torch.autograd.grad(decode_and_score(leaf)[0, 0], leaf)

    return {
        "encode": torch.no_grad()(lambda: autoencoder.encode(image)),  # type: ignore[operator]
        "gradient": differentiate,
        "probe": torch.no_grad()(lambda: decode_and_score(latent)),
    }


def tell_rows(rows: Sequence[RowTimes]) -> str:
    """A table, in milliseconds."""
    headings = (
        *("one row, ms", "width", "decode + classify", "published way", "times as fast", "limit", "x the limit"),
        *("encode", "published way", "gradient", "published way"),
    )
    cells = [
        (
            *(str(r.pair), str(r.width), f"{r.probe:.2f}", f"{r.eager_probe:.2f}"),
            *(f"{r.eager_probe / r.probe:.1f}", f"{r.limit:.2f}", f"{r.times_limit:.2f}"),
            *(f"{v:.1f}" for v in (r.encode, r.eager_encode, r.gradient, r.eager_gradient)),
        )
        for r in rows
    ]
    return to_table(headings, cells)
