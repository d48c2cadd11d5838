"""Radiograph to model input and model output to stored pixels: the same affine window for every image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxrshift_api.types import PixelScale, UInt8Array

from ..image.radiograph import Radiograph
from .model import ModelSpec

STORED_MAX = 255
"""The brightest stored value, that of uint8."""


def describe_preprocessing(spec: ModelSpec) -> str:
    """The preprocessing in one sentence, for the receipt."""
    low, high = spec.input_range
    return (
        f"centre crop to a square, antialiased bilinear resize to {spec.input_size} x {spec.input_size}, "
        f"[0, 1] to [{low:g}, {high:g}]"
    )


def prepare(radiograph: Radiograph, spec: ModelSpec) -> Tensor:
    """Crop, resize and scale one radiograph to (1, S, S) float32 in the model's units."""
    low, high = spec.input_range
    return (square_pixels(radiograph, spec.input_size) * (high - low) + low)[None]


def square_pixels(radiograph: Radiograph, size: int) -> Tensor:
    """The radiograph's central square at ``size`` pixels a side: (S, S) float32 in [0, 1].

    The centre crop keeps the aspect ratio, as torchxrayvision's own loader does; antialiasing keeps fine structure
    of a large radiograph from folding into the small input.
    """
    square = torch.from_numpy(np.ascontiguousarray(radiograph.pixels[radiograph.square.slices]))
    if radiograph.square.side != size:
        square = functional.interpolate(square[None, None], size=(size, size), mode="bilinear", antialias=True)[0, 0]
    return square.clamp(0, 1)


def pixel_scale(spec: ModelSpec) -> PixelScale:
    """The map from stored uint8 values back to model units."""
    low, high = spec.input_range
    return PixelScale(scale=(high - low) / STORED_MAX, offset=low)


def store(images: Tensor, spec: ModelSpec) -> UInt8Array:
    """``images`` (..., H, W) float32 in model units to (..., H, W) uint8 over the model's whole input range.

    Rounded; values beyond the range are clipped. The window is the same for every frame of every radiograph: stretching
    each frame would draw changes that the model never saw.
    """
    scale = pixel_scale(spec)
    stored = ((images - scale.offset) / scale.scale).round().clamp(0, STORED_MAX)
    return stored.to(torch.uint8).cpu().numpy()
