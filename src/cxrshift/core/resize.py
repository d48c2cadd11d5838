"""Bilinear resizes inside networks, such that the way back from them is the same each time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing
from torch.nn import functional


def resize(images: Tensor, size: int) -> Tensor:
    """``images`` (N, C, H, W), of any type and units, to (N, C, size, size) of the same, bilinear and antialiased.

    On a GPU as two products: torch's own gradient of it adds up there in whatever order its threads come.
    """
    if images.is_cuda:
        return resize_by_products(images, (size, size), align_corners=False, antialias=True)
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def resize_by_products(images: Tensor, size: tuple[int, int], *, align_corners: bool, antialias: bool) -> Tensor:
    """``images`` (..., H, W) to (..., *size), bilinear, of the same type and units.

    A resize is linear along each side: two products with matrices, which every runtime can do, and backwards too.
    """
    height, width = (
        _matrix(old, new, align_corners, antialias, images) for old, new in zip(images.shape[-2:], size, strict=True)
    )
    return height @ images @ width.T


def _matrix(old: int, new: int, align_corners: bool, antialias: bool, like: Tensor) -> Tensor:
    """(new, old): what the resize makes of each unit vector. ``like`` gives its dtype and device."""
    with disable_proxy_modes_tracing():  # a constant, where a graph is being made
        units = torch.eye(old, dtype=like.dtype, device=like.device)[None, None]
        wide = functional.interpolate(
            units, size=(new, old), mode="bilinear", align_corners=align_corners, antialias=antialias
        )
    return wide[0, 0]
