"""The traditional maps that Latent Shift is compared with: attributions of the score on the radiograph itself.

The formulas are those of arXiv 1312.6034, 1703.01365 and 1412.6806. Nothing on a network is changed, so nothing has to
be restored, whatever the network raises.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.graph import Node

from cxrshift_api.types import Problem, SaliencyKind, SaliencyMap

from ..errors import InternalError, InvalidRequest
from .model import DEFAULT_INPUT_RANGE, LatentModel
from .passes import Passes, in_chunks
from .runtime import Shapes, products_of
from .shift import Wanted

PATH_STEPS: Final = 48
"""Points on the path of integrated gradients: about the usual 50, and a multiple of what a CPU takes at once."""

ROWS_OF_A_MAP: Final[Mapping[SaliencyKind, int]] = MappingProxyType(
    {kind: PATH_STEPS if kind is SaliencyKind.INTEGRATED_GRADIENTS else 1 for kind in SaliencyKind}
)
"""How many images the classifier sees for one map."""

RECTIFIERS: Final = frozenset(
    f"{name}Backward0"
    for name in (
        *("Relu", "Threshold", "LeakyRelu", "PreluKernel", "RreluWithNoise"),
        *("Elu", "Celu", "Gelu", "Silu", "Mish", "Softplus", "Hardswish"),
    )
)
"""Autograd's names of the activations that pass what is positive and hold back what is negative."""

_CLIP: Final = "HardtanhBackward0"
"""A rectifier, ReLU6, where its lower bound is 0."""

_SCRIPTED: Final = "DifferentiableGraphBackward"
"""A fused piece of TorchScript, whose inner activations autograd does not show."""

_Score = Callable[[Tensor], Tensor]


def add_maps(
    passes: Passes, images: Tensor, wanted: Sequence[Wanted], *, darkest: float
) -> list[tuple[SaliencyMap, ...] | Problem]:
    """The maps that each of ``wanted`` asks for, in its own order, or the Problem that one of them is.

    ``images`` (N, 1, H, W) float32 in model units, whose darkest pixel is ``darkest`` of these units. A kind is
    computed for all at once.
    """
    found: list[dict[SaliencyKind, SaliencyMap]] = [{} for _ in wanted]
    problems: dict[int, Problem] = {}
    for kind in SaliencyKind:
        asking = [i for i, want in enumerate(wanted) if kind in want.options.saliency]
        if not asking:
            continue
        own = images[[wanted[i].image for i in asking]].to(passes.device)
        columns = torch.tensor([wanted[i].column for i in asking])
        try:
            maps = saliency_maps(passes.networks, own, columns, kind, darkest=darkest, shapes=passes.shapes)
        except InvalidRequest as error:
            problems.update(dict.fromkeys(asking, error.to_problem()))
            continue
        for i, values in zip(asking, maps.cpu(), strict=True):
            found[i][kind] = SaliencyMap(kind, values.numpy())
            if not bool(torch.isfinite(values).all()):
                problems[i] = _not_finite(kind)
    return [
        problems.get(i) or tuple(own_maps[kind] for kind in want.options.saliency)
        for i, (want, own_maps) in enumerate(zip(wanted, found, strict=True))
    ]


def _not_finite(kind: SaliencyKind) -> Problem:
    return InternalError(f"The map {kind.value} of this image is not finite; ask for another map.").to_problem()


def saliency_maps(
    networks: LatentModel,
    images: Tensor,
    columns: Tensor,
    kind: SaliencyKind,
    *,
    darkest: float = DEFAULT_INPUT_RANGE[0],
    shapes: Shapes | None = None,
) -> Tensor:
    """|attributions|: one map (N, H, W) float32 ≥ 0 for each image and finding.

    The rest is as ``attributions`` has it.
    """
    return attributions(networks, images, columns, kind, darkest=darkest, shapes=shapes).abs()


def attributions(
    networks: LatentModel,
    images: Tensor,
    columns: Tensor,
    kind: SaliencyKind,
    *,
    darkest: float = DEFAULT_INPUT_RANGE[0],
    shapes: Shapes | None = None,
) -> Tensor:
    """What each pixel x_i of ``images`` adds to the score s = f(x)[c] of its own finding.

    ``images`` (N, 1, H, W) are float32 in model units, ``columns`` (N,) int64 the findings' columns c. It gives
    (N, H, W) float32, signed:

    - ``input-gradient``: ∂s/∂x_i, in score per model unit (Simonyan et al. 2013, arXiv 1312.6034).
    - ``integrated-gradients``: (x_i − b) ∫₀¹ ∂f(b + t (x − b))[c] / ∂x_i dt, in score, by Gauss-Legendre quadrature
      (Sundararajan et al. 2017, arXiv 1703.01365). The baseline b is the darkest image, of ``darkest`` model units
      everywhere; the sum over pixels is f(x)[c] − f(b)[c].
    - ``guided-backpropagation``: the input gradient, with what comes back to a rectifier y = ρ(u) replaced by
      ∂s/∂u = ρ'(u) max(∂s/∂y, 0) (Springenberg et al. 2014, arXiv 1412.6806, where ρ is ReLU). ReLU, SiLU, GELU, ELU
      and their like count as rectifiers, however the network calls them.

    At most ``shapes`` rows are in one call, always of the same shape, so that no map depends on its neighbours. The
    images must be where the networks are. Raises InvalidRequest where guided backpropagation finds no rectifier.
    """
    shapes = shapes or Shapes.for_device(str(images.device))
    columns = columns.to(images.device)
    with products_of(images, tf32=False):
        return _attributions(networks.score, images, columns, kind, darkest, shapes)


def _attributions(
    plain: _Score, images: Tensor, columns: Tensor, kind: SaliencyKind, darkest: float, shapes: Shapes
) -> Tensor:
    if kind is SaliencyKind.INTEGRATED_GRADIENTS:
        maps = torch.stack(
            [
                _integrated_gradients(plain, image[None], column, darkest, shapes.probe)
                for image, column in zip(images, columns, strict=True)
            ]
        )
    else:
        score = plain if kind is SaliencyKind.INPUT_GRADIENT else _guided(plain)
        (maps,) = in_chunks(lambda x, c: (_gradient(score, x, c),), shapes.gradient, images, columns)
    return maps[:, 0].detach().float()


def _gradient(score: _Score, images: Tensor, columns: Tensor) -> Tensor:
    leaf = images.detach().clone().requires_grad_(True)
    maps: Tensor = _captum().Saliency(_attached(score)).attribute(leaf, target=columns, abs=False)
    return maps


def _integrated_gradients(score: _Score, image: Tensor, column: Tensor, darkest: float, rows: int) -> Tensor:
    maps: Tensor = (
        _captum()
        .IntegratedGradients(_attached(score))
        .attribute(image, baselines=darkest, target=int(column), n_steps=PATH_STEPS, internal_batch_size=rows)
    )
    return maps[0]


def _captum() -> Any:
    """Captum's attributions; with matplotlib behind them, a second that only those wait who ask for maps."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # in a notebook; no bar of Captum's is shown here
        from captum import attr
    return attr


def _attached(score: _Score) -> _Score:
    """The same scores, which have a gradient, 0, even where they do not depend on the image at all."""
    return lambda images: score(images) + 0.0 * images.sum()


def _guided(score: _Score) -> _Score:
    """The same scores, whose gradient passes each rectifier by the rule of guided backpropagation.

    The rule is hung on the one graph of this call, which autograd drops with the call.
    """

    def guided(images: Tensor) -> Tensor:
        scores = score(images)
        rectifiers = [node for node in _nodes_below(scores) if _is_rectifier(node)]
        if not rectifiers:
            raise InvalidRequest(
                "guided-backpropagation needs a classifier with ReLU or a like activation, and this model has none; "
                "ask for input-gradient or integrated-gradients."
            )
        for node in rectifiers:
            node.register_prehook(_keep_positive)
        return scores

    return guided


def _nodes_below(scores: Tensor) -> Iterator[Node]:
    """Every step of the calculation that led to ``scores``, each once."""
    seen: set[Node] = set()
    waiting = [scores.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(before for before, _ in node.next_functions)


def _is_rectifier(node: Node) -> bool:
    name = node.name()
    if _SCRIPTED in name:
        raise InvalidRequest(
            "guided-backpropagation cannot look into this TorchScript model, whose activations are fused; "
            "ask for input-gradient or integrated-gradients."
        )
    return name in RECTIFIERS or (name == _CLIP and getattr(node, "_saved_min_val", None) == 0)


def _keep_positive(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(gradient if gradient is None else gradient.clamp(min=0) for gradient in gradients)
