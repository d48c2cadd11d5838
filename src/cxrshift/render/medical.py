"""Pictures that leave this system as medical images: what they are is burned into every one, where it hides no lung."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxrshift_api.types import Explanation, Float32Array, UInt8Array

from .animation import draw_pages
from .canvas import FAINT_INK, INK, fit_text, grey_window, load_font, say_finding, say_percent, say_score
from .overlay import AMBER, blend, top_share

WARNING = "SYNTHETIC - NOT FOR DIAGNOSIS"

_STACK_SIDE = 512
_BAR_HEIGHT = 34
_BAR_GREY = 34
_TYPE_SHARE = 0.016
"""Height of the strip's type as a share of the picture's shorter side; the strip is 1.7 of it, 2.7% of that side."""
_SMALLEST_TYPE, _LARGEST_TYPE = 5, 96
_LIGHT = (INK, INK, INK)
_STRIP_DARKNESS = 0.2
"""What is left of the picture's brightness beneath the strip's words."""


def draw_stack(explanation: Explanation) -> UInt8Array:
    """(R, H, W) uint8: the frames in ascending λ, each between a bar that warns and a strip with score and λ.

    The frame itself is enlarged by a whole factor and nothing is drawn on it.
    """
    receipt = explanation.receipt
    footer = f"Latent Shift of {receipt.model} {receipt.model_version}"
    pages = draw_pages(explanation, smallest_side=_STACK_SIDE, footer=footer)
    bar = _draw_bar(pages[0].width)
    return np.stack([np.concatenate([bar, np.asarray(page)]) for page in pages])


def draw_source_overlay(explanation: Explanation, pixels: Float32Array, change: Float32Array) -> UInt8Array:
    """(H, W, 3) uint8: ``change`` over the radiograph, pixel for pixel, with a strip of words along the lower edge.

    ``pixels`` is the radiograph as its file has it, (H, W) in [0, 1]; ``change`` the heatmap at that geometry, (H, W)
    in model units. The strip takes 2.7% of the shorter side, over what lies below the lungs, and lets it show through.
    """
    level = change / np.float32(grey_window(explanation) * top_share(explanation))
    picture = blend(pixels * np.float32(255.0), level)
    _burn_strip(picture, explanation)
    return picture


def _draw_bar(width: int) -> UInt8Array:
    bar = Image.new("L", (width, _BAR_HEIGHT), _BAR_GREY)
    draw = ImageDraw.Draw(bar)
    draw.text((width / 2, _BAR_HEIGHT / 2), WARNING, INK, _fit_font(draw, WARNING, width - 20, 18), anchor="mm")
    return np.asarray(bar)


def _burn_strip(picture: UInt8Array, explanation: Explanation) -> None:
    """Write along the lower edge of ``picture``, in place: the warning, the finding and its score, the scale."""
    height, width = picture.shape[:2]
    size = int(np.clip(_TYPE_SHARE * min(height, width), 11, _LARGEST_TYPE))
    margin = size * 3 // 4
    strip_height = min(round(1.7 * size), height)
    beneath = (picture[-strip_height:] * _STRIP_DARKNESS).astype(np.uint8)
    strip = Image.fromarray(beneath)
    draw = ImageDraw.Draw(strip)
    font = _fit_font(draw, WARNING, width - 2 * margin, size)
    middle = strip_height / 2
    draw.text((margin, middle), WARNING, AMBER, font, anchor="lm")
    left = margin + draw.textlength(WARNING, font) + 2 * margin
    right = width - margin
    if (scale := _scale_width(draw, explanation, size)) <= (right - left) / 2:
        _draw_scale(strip, draw, explanation, right - scale, size)
        right -= scale + 2 * margin
    if right - left > 8 * size:
        bold, plain = load_font(size, bold=True), load_font(size)
        name = fit_text(draw, say_finding(explanation.finding), right - left, bold)
        draw.text((left, middle), name, _LIGHT, bold, anchor="lm")
        left += draw.textlength(name + " ", bold) + margin / 2
        # Whole or not at all: half a number would be another number.
        fitting = (words for words in _say_scores(explanation) if draw.textlength(words, plain) <= right - left)
        draw.text((left, middle), next(fitting, ""), _LIGHT, plain, anchor="lm")
    picture[-strip_height:] = np.asarray(strip)


def _say_scores(explanation: Explanation) -> tuple[str, ...]:
    """The score in words, the longest first."""
    score = say_score(float(explanation.radiograph_scores[explanation.findings.index(explanation.finding)]))
    whole = f"{score}, operating point {say_score(explanation.operating_point)}"
    return f"score {whole}", whole, f"score {score}", score


def _scale_words(explanation: Explanation) -> tuple[str, str]:
    return "0", f"{say_percent(100.0 * top_share(explanation))} of grey range"


def _scale_width(draw: ImageDraw.ImageDraw, explanation: Explanation, size: int) -> int:
    font = load_font(size)
    return int(sum(draw.textlength(word, font) for word in _scale_words(explanation)) + 6 * size)


def _draw_scale(
    strip: Image.Image, draw: ImageDraw.ImageDraw, explanation: Explanation, left: float, size: int
) -> None:
    """The colours over a mid-dark grey, as over lung, between what they begin and end with."""
    font, middle = load_font(size), strip.height / 2
    low, high = _scale_words(explanation)
    faint = (FAINT_INK + 50,) * 3
    draw.text((left, middle), low, faint, font, anchor="lm")
    start = round(left + draw.textlength(low, font) + size / 2)
    shape = (max(size * 3 // 4, 1), 5 * size)
    level = np.broadcast_to(np.linspace(0.0, 1.0, shape[1], dtype=np.float32), shape)
    strip.paste(Image.fromarray(blend(np.full(shape, 40.0, np.float32), level)), (start, round(middle - shape[0] / 2)))
    draw.text((start + shape[1] + size / 2, middle), high, faint, font, anchor="lm")


def _fit_font(draw: ImageDraw.ImageDraw, text: str, width: float, size: int) -> ImageFont.FreeTypeFont:
    """The bold font of ``size`` pixels, or the largest smaller one in which ``text`` fits ``width``."""
    while size > _SMALLEST_TYPE and draw.textlength(text, load_font(size, bold=True)) > width:
        size -= 1
    return load_font(size, bold=True)
