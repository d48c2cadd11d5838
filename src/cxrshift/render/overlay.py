"""The heatmap over the radiograph, with the scale that says how much its brightest colour means."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw

from cxrshift_api.types import Explanation, Float32Array, UInt8Array

from .canvas import (
    FAINT_INK,
    INK,
    enlarge,
    enlarge_map,
    fit_text,
    grey_window,
    load_font,
    say_finding,
    say_score,
    to_png,
)

COLOUR_MAP = "inferno"
"""Perceptually even, and safe for colour-blind readers."""
SMALLEST_TOP = 0.05
"""The scale ends at this share of the grey range at least: a map of hardly any change must look like one."""
_STRONGEST = 0.85
_AMBER = (240, 180, 70)
"""Of the quality card's warnings."""
_OVERLAY_SIDE = 512
_LEGEND_WIDTH = 96
_CAPTION_HEIGHT = 54


def render_overlay(explanation: Explanation, *, smallest_side: int = _OVERLAY_SIDE) -> bytes:
    """A PNG of the heatmap over the radiograph; no change is transparent, the largest change nearly opaque.

    The scale beside it is in percent of the model's grey range, so that two overlays can be compared.
    """
    picture = colour_overlay(explanation, smallest_side=smallest_side)
    page = Image.new("RGB", (picture.width + _LEGEND_WIDTH, picture.height + _CAPTION_HEIGHT))
    page.paste(picture)
    draw = ImageDraw.Draw(page)
    _draw_legend(page, draw, (picture.width + 16, 40, picture.width + 34, picture.height - 24), top_share(explanation))
    bold, plain, small = load_font(16, bold=True), load_font(16), load_font(12)
    top = picture.height + 7
    name = fit_text(draw, say_finding(explanation.finding), page.width - 260, bold)
    draw.text((12, top), name, _grey(INK), bold)
    column = explanation.findings.index(explanation.finding)
    score = f"score {say_score(float(explanation.radiograph_scores[column]))}, "
    score += f"operating point {say_score(explanation.operating_point)}"
    draw.text((12 + draw.textlength(name, bold) + 12, top), score, _grey(INK), plain)
    draw.text((12, top + 26), explanation.notice, _grey(FAINT_INK), small)
    if explanation.quality.warnings:
        left = 12 + draw.textlength(explanation.notice + "   ", small)
        warnings = fit_text(draw, " ".join(explanation.quality.warnings), page.width - left - 12, small)
        draw.text((left, top + 26), warnings, _AMBER, small)
    return to_png(page)


def top_share(explanation: Explanation) -> float:
    """The end of the colour scale, as a share of the grey range: the largest change, but ``SMALLEST_TOP`` at least."""
    return max(float(explanation.heatmap.max()) / grey_window(explanation), SMALLEST_TOP)


def colour_overlay(explanation: Explanation, *, smallest_side: int) -> Image.Image:
    """The heatmap over the enlarged radiograph, without any writing; mode RGB."""
    grey = np.asarray(enlarge(explanation.radiograph, smallest_side), np.float32)[..., None]
    share = enlarge_map(explanation.heatmap, smallest_side) / grey_window(explanation)
    level = np.clip(share / top_share(explanation), 0.0, 1.0)
    alpha = _opacity(level)[..., None]
    mixed = grey * (1.0 - alpha) + _colours(level).astype(np.float32) * alpha
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _opacity(level: Float32Array) -> Float32Array:
    """Opacity of a level in [0, 1]: a smooth step, so that faint change everywhere does not veil the radiograph."""
    rise = np.clip((level - 0.08) / 0.72, 0.0, 1.0)
    return np.asarray(_STRONGEST * rise * rise * (3.0 - 2.0 * rise), np.float32)


def _colours(level: Float32Array) -> UInt8Array:
    """(...) levels in [0, 1] to (..., 3) uint8; the map's darkest fifth is left out, for it would darken the image."""
    rgba = mpl.colormaps[COLOUR_MAP](0.2 + 0.75 * level, bytes=True)
    return np.asarray(rgba, np.uint8)[..., :3]


def _draw_legend(page: Image.Image, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], end: float) -> None:
    left, top, right, bottom = box
    level = np.linspace(1.0, 0.0, bottom - top, dtype=np.float32)
    alpha = _opacity(level)[:, None]
    bar = 40.0 * (1.0 - alpha) + _colours(level).astype(np.float32) * alpha  # over a mid-dark grey, as over lung
    page.paste(Image.fromarray(np.repeat(np.rint(bar).astype(np.uint8)[:, None], right - left, axis=1)), (left, top))
    draw.rectangle((left - 1, top - 1, right, bottom), outline=_grey(90))
    small = load_font(12)
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        draw.line([(right, y), (right + 4, y)], _grey(FAINT_INK))
        draw.text((right + 8, y), f"{100.0 * share * end:.2g}%", _grey(INK), small, anchor="lm")
    draw.text((left - 2, 8), "change, % of", _grey(FAINT_INK), load_font(10))
    draw.text((left - 2, 20), "grey range", _grey(FAINT_INK), load_font(10))


def _grey(level: int) -> tuple[int, int, int]:
    return (level, level, level)
