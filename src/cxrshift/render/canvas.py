"""What every picture is drawn with: one typeface, one way to enlarge, one way to write numbers."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxrshift_api.types import Explanation, Float32Array, StopReason, UInt8Array

SMALLEST_SIDE = 384
"""Frames are enlarged to at least this many pixels, so that writing beside them can be read."""
INK = 236
"""Grey level of writing on black."""
FAINT_INK = 150
"""Grey level of what stands back."""

STOPS = {
    StopReason.TARGET: "target change reached",
    StopReason.FLOOR: "score near 0",
    StopReason.CEILING: "score near 1",
    StopReason.REVERSED: "score turned back",
    StopReason.PIXEL_CHANGE: "too many pixels changed",
    StopReason.LAST_LAMBDA: "end of the schedule",
    StopReason.NOT_SEARCHED: "not searched",
}
"""Why a search went no further, in words short enough for a picture."""


@lru_cache(maxsize=16)
def load_font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans at ``size`` pixels, from matplotlib's own files: it has λ and −, and is there on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf" / name, size)


def enlarge(pixels: UInt8Array, smallest_side: int = SMALLEST_SIDE) -> Image.Image:
    """``pixels`` (H, W) uint8 as a grey image, enlarged by a whole factor (Lanczos) until wide and high enough."""
    return _resize(Image.fromarray(pixels), smallest_side)


def enlarge_map(values: Float32Array, smallest_side: int = SMALLEST_SIDE) -> Float32Array:
    """``values`` (H, W) float32 to (h, w), the size that ``enlarge`` gives its image.

    Bilinear: no value leaves its range.
    """
    image = _resize(Image.fromarray(np.ascontiguousarray(values, np.float32)), smallest_side)
    return np.asarray(image, np.float32)


def _resize(image: Image.Image, smallest_side: int) -> Image.Image:
    factor = -(-smallest_side // min(image.size))
    if factor <= 1:
        return image
    # Lanczos rings beyond the range, which a uint8 image clips and a float map must not have.
    sampler = Image.Resampling.BILINEAR if image.mode == "F" else Image.Resampling.LANCZOS
    return image.resize((image.width * factor, image.height * factor), sampler)


def fit_text(draw: ImageDraw.ImageDraw, text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """``text``, or as much of its start as fits ``width`` pixels, with an ellipsis."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def say_lambda(value: float) -> str:
    """λ with three digits and a sign, as print has it: ``−0.25``, ``0``, ``+12.5``.

    ``value`` is in the model's λ unit.
    """
    if value == 0.0:
        return "0"
    return f"{value:+.3g}".replace("-", "−")


def say_score(value: float) -> str:
    """A score or a change of it, ``value`` in [-1, 1], with two digits and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def say_percent(value: float) -> str:
    """A percentage, ``value`` percent, with two digits: ``0.5%``, ``12%``, ``100%``."""
    return f"{float(f'{value:.2g}'):g}%"


def say_finding(name: str) -> str:
    """A finding's name for people: model outputs write ``Pleural_Thickening``."""
    return name.replace("_", " ")


def grey_window(explanation: Explanation) -> float:
    """Model units between the darkest and the brightest stored value."""
    return 255.0 * abs(explanation.scale.scale)


def to_png(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
