"""The latent gradient as a graph: differentiated once, ahead of time, into operations that every runtime has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch._decomp import core_aten_decompositions, get_decompositions
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx
from torch.nn import functional

from .graphs import Graphs, Operation, aten, repeat, simplify

Sizes = list[int]


def differentiate(graphs: Graphs, findings: int) -> tuple[fx.GraphModule, tuple[Tensor, Tensor]]:
    """A graph of latents z (G, ...) and weights w (G, F) to d Σ w f(D(z)) / dz (G, ...), and its example inputs.

    With w = 1 for one finding and 0 for the others that is the latent gradient (arXiv 2102.09475, equation 1). Also
    returns what lies on the way: D(z) (G, 1, S, S) and f(D(z)) (G, F); all are float32. Raises NotImplementedError for
    a pooling that has no rule here.
    """
    rows = graphs.shapes.gradient
    latents = repeat(graphs.latents, rows)
    weights = torch.ones(rows, findings, device=latents.device)

    def gradient(latents: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        leaf = latents.detach().requires_grad_(True)
        frames, scores = graphs.forward(leaf)
        (found,) = torch.autograd.grad((scores * weights).sum(), leaf)
        return found, frames.detach(), scores.detach()

    return simplify(make_fx(gradient, decomposition_table=_RULES)(latents, weights)), (latents, weights)


def convolution_backward(
    gradient: Tensor,
    images: Tensor,
    weight: Tensor,
    bias_sizes: Sizes | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
    mask: list[bool],
) -> tuple[Tensor, None, None]:
    """What a convolution passes back to its input; frozen weights need nothing.

    ``gradient`` (N, D, h, w), ``images`` (N, C, H, W) in any units and ``weight`` (D, C / groups, kh, kw), all float32,
    to (N, C, H, W) float32. The other arguments are those of aten's operator.
    """
    # A copy: OpenVINO 2026.4 repacks the weights of a convolution and of a transposed one in the same place.
    weight = weight.clone()
    none, sizes = [0] * len(stride), weight.shape[2:]
    if transposed:
        back = aten.convolution.default(gradient, weight, None, stride, padding, dilation, False, none, groups)
        return back, None, None
    reach = [d * (k - 1) for d, k in zip(dilation, sizes, strict=True)]
    if all(s == 1 for s in stride) and all(r >= p for r, p in zip(reach, padding, strict=True)):
        # With stride 1 it is itself a convolution, by mirrored weights: runtimes are far better at those.
        padding = [r - p for r, p in zip(reach, padding, strict=True)]
        mirrored = _mirror(weight, groups)
        back = aten.convolution.default(gradient, mirrored, None, stride, padding, dilation, False, none, groups)
        return back, None, None
    missing = [
        i - ((o - 1) * s - 2 * p + r + 1)
        for i, o, s, p, r in zip(images.shape[2:], gradient.shape[2:], stride, padding, reach, strict=True)
    ]
    back = aten.convolution.default(gradient, weight, None, stride, padding, dilation, True, missing, groups)
    return back, None, None


def _mirror(weight: Tensor, groups: int) -> Tensor:
    """(out, in / groups, ...) to (in, out / groups, ...), turned around in every place."""
    outputs, inputs, *sizes = weight.shape
    swapped = weight.reshape(groups, outputs // groups, inputs, *sizes).transpose(1, 2)
    return swapped.reshape(groups * inputs, outputs // groups, *sizes).flip(list(range(2, weight.ndim)))


def avg_pool2d_backward(
    gradient: Tensor,
    images: Tensor,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    """A mean passes an equal share back to each place of its window.

    ``gradient`` (N, C, h, w) and ``images`` (N, C, H, W) in any units, both float32, to (N, C, H, W) float32. Raises
    NotImplementedError for windows of unequal size.
    """
    if ceil_mode or (any(padding) and not count_include_pad):
        raise NotImplementedError("an average pooling over windows of unequal size")
    channels, (height, width) = images.shape[1], kernel
    share = gradient.new_full((channels, 1, height, width), 1.0 / (divisor or height * width))
    stride = stride or kernel
    missing = [
        i - ((o - 1) * s - 2 * p + k)
        for i, o, s, p, k in zip(images.shape[2:], gradient.shape[2:], stride, padding, kernel, strict=True)
    ]
    back: Tensor = aten.convolution.default(gradient, share, None, stride, padding, [1, 1], True, missing, channels)
    return back


def max_pool2d_backward(
    gradient: Tensor,
    images: Tensor,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """A maximum passes all back to where it was found first in its window.

    The indices are not used: without them the pooling itself is a fast one, and with them, in OpenVINO, takes longer
    than all convolutions together. ``gradient`` (N, C, h, w) and ``images`` (N, C, H, W) in any units, both float32,
    and ``indices`` (N, C, h, w) int64 to (N, C, H, W) float32. Raises NotImplementedError for a size that is rounded
    up.
    """
    if ceil_mode:
        raise NotImplementedError("a maximum pooling that rounds its size up")
    high, wide = padding
    down, along = stride = stride or kernel
    found, _ = aten.max_pool2d_with_indices.default(images, kernel, stride, padding, dilation, ceil_mode)
    padded = functional.pad(images, (wide, wide, high, high), value=-torch.inf)
    (channels, rows, columns), (height, width) = gradient.shape[1:], padded.shape[2:]
    missing = [
        size - ((o - 1) * s + d * (k - 1) + 1)
        for size, o, s, d, k in zip((height, width), (rows, columns), stride, dilation, kernel, strict=True)
    ]
    total, free = torch.zeros_like(padded), torch.ones_like(gradient, dtype=torch.bool)
    for place, one in enumerate(_ones_in_turn(kernel, gradient)):
        top, left = place // kernel[1] * dilation[0], place % kernel[1] * dilation[1]
        last, right = top + (rows - 1) * down + 1, left + (columns - 1) * along + 1
        here = (padded[:, :, top:last:down, left:right:along] == found) & free
        free = free & ~here
        back, put = torch.where(here, gradient, 0.0), one.expand(channels, -1, -1, -1)
        total = total + aten.convolution.default(back, put, None, stride, [0, 0], dilation, True, missing, channels)
    return total[:, :, high : height - high, wide : width - wide]


def _ones_in_turn(kernel: Sizes, like: Tensor) -> Tensor:
    """(kh kw, 1, 1, kh, kw): a 1 in each place of a window in turn, constants of the graph."""
    with disable_proxy_modes_tracing():
        places = kernel[0] * kernel[1]
        return torch.eye(places, dtype=like.dtype, device=like.device).reshape(places, 1, 1, *kernel)


_RULES: Final[Mapping[Any, Operation]] = MappingProxyType(
    {
        **core_aten_decompositions(),
        **get_decompositions(
            [
                aten.native_group_norm_backward,
                aten.native_layer_norm_backward,
                aten.threshold_backward,
                aten.sigmoid_backward,
                aten.tanh_backward,
                aten.silu_backward,
                aten.slice_backward,
                aten.select_backward,
            ]
        ),
        aten.convolution_backward.default: convolution_backward,
        aten.avg_pool2d_backward.default: avg_pool2d_backward,
        aten.max_pool2d_with_indices_backward.default: max_pool2d_backward,
    }
)
"""Steps that no runtime has, in steps that all have."""
