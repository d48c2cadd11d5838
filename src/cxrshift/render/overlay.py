"""A map over the radiograph, with the scale that says how much its brightest colour means."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw

from cxrshift_api.types import Explanation, Float32Array, SaliencyMap, UInt8Array

from .canvas import (
    FAINT_INK,
    INK,
    enlarge,
    enlarge_map,
    fit_text,
    grey_window,
    load_font,
    say_finding,
    say_percent,
    say_score,
    to_png,
)

COLOUR_MAP = "inferno"
"""Perceptually even, and safe for colour-blind readers."""
SMALLEST_TOP = 0.05
"""The scale ends at this share of the grey range at least: a map of hardly any change must look like one."""
SALIENCY_TOP = 99.5
"""Percentile of a traditional map at which its scale ends: a few single pixels reach far above all others."""
_STRONGEST = 0.85
AMBER = (240, 180, 70)
"""Of the quality card's warnings."""
_OVERLAY_SIDE = 512
_LEGEND_WIDTH = 96
_CAPTION_HEIGHT = 54
_LEVELS = 1024
_BLOCK_ROWS = 256


@dataclass(frozen=True)
class _Scale:
    """What the bar beside an overlay says: its heading in two lines, and its percentage at the top."""

    heading: tuple[str, str]
    top_percent: float


def render_overlay(explanation: Explanation, *, smallest_side: int = _OVERLAY_SIDE) -> bytes:
    """A PNG of the heatmap over the radiograph; no change is transparent, the largest change nearly opaque.

    The scale beside it is in percent of the model's grey range, so that two overlays can be compared.
    """
    picture = colour_overlay(explanation, smallest_side=smallest_side)
    scale = _Scale(("change, % of", "grey range"), 100.0 * top_share(explanation))
    warnings = " ".join(explanation.quality.warnings)
    return _page(explanation, picture, scale, notice=explanation.notice, warnings=warnings)


def render_saliency(explanation: Explanation, saliency: SaliencyMap, *, smallest_side: int = _OVERLAY_SIDE) -> bytes:
    """A PNG of a traditional map over the radiograph, drawn as ``render_overlay`` draws the heatmap.

    The scale is the map's own: 100% is its ``SALIENCY_TOP`` percentile, so only the places of two maps can be compared.
    """
    picture = colour_saliency(explanation, saliency, smallest_side=smallest_side)
    scale = _Scale(("share of the", "map's top"), 100.0)
    words = f"{say_saliency(saliency)}: pixels that bear on this score.  {explanation.notice}"
    return _page(explanation, picture, scale, notice=words, warnings="")


def say_saliency(saliency: SaliencyMap) -> str:
    """A traditional map's name for people."""
    return saliency.kind.value.replace("-", " ").capitalize()


def top_share(explanation: Explanation) -> float:
    """The end of the colour scale, as a share of the grey range: the largest change, but ``SMALLEST_TOP`` at least."""
    return max(float(explanation.heatmap.max()) / grey_window(explanation), SMALLEST_TOP)


def colour_overlay(explanation: Explanation, *, smallest_side: int) -> Image.Image:
    """The heatmap over the enlarged radiograph, without any writing; mode RGB."""
    share = enlarge_map(explanation.heatmap, smallest_side) / grey_window(explanation)
    return _colour(explanation.radiograph, share / top_share(explanation), smallest_side)


def colour_saliency(explanation: Explanation, saliency: SaliencyMap, *, smallest_side: int) -> Image.Image:
    """A traditional map over the enlarged radiograph, without any writing; mode RGB."""
    top = float(np.percentile(saliency.values, SALIENCY_TOP)) or 1.0
    return _colour(explanation.radiograph, enlarge_map(saliency.values, smallest_side) / top, smallest_side)


def blend(grey: Float32Array, level: Float32Array) -> UInt8Array:
    """(H, W) ``level`` over (H, W) ``grey`` in [0, 255], as (H, W, 3) uint8: nothing at 0, most from 1 on.

    A few rows at a time, and by a table of 1024 levels: a detector's picture has 20 million pixels.
    """
    steps = np.linspace(0.0, 1.0, _LEVELS, dtype=np.float32)
    alphas, colours = _opacity(steps)[:, None], _colours(steps).astype(np.float32)
    mixed = np.empty((*grey.shape, 3), np.uint8)
    for top in range(0, len(grey), _BLOCK_ROWS):
        rows = slice(top, top + _BLOCK_ROWS)
        step = np.rint(np.clip(level[rows], 0.0, 1.0) * (_LEVELS - 1)).astype(np.intp)
        mixed[rows] = np.rint(grey[rows, :, None] * (1.0 - alphas[step]) + (colours * alphas)[step])
    return mixed


def _colour(radiograph: UInt8Array, level: Float32Array, smallest_side: int) -> Image.Image:
    """``level``, enlarged, over ``radiograph`` (H, W), not yet so: nothing at 0, the strongest colour from 1 on."""
    return Image.fromarray(blend(np.asarray(enlarge(radiograph, smallest_side), np.float32), level))


def _page(explanation: Explanation, picture: Image.Image, scale: _Scale, *, notice: str, warnings: str) -> bytes:
    page = Image.new("RGB", (picture.width + _LEGEND_WIDTH, picture.height + _CAPTION_HEIGHT))
    page.paste(picture)
    draw = ImageDraw.Draw(page)
    _draw_legend(page, draw, (picture.width + 16, 40, picture.width + 34, picture.height - 24), scale)
    bold, plain, small = load_font(16, bold=True), load_font(16), load_font(12)
    top = picture.height + 7
    name = fit_text(draw, say_finding(explanation.finding), page.width - 260, bold)
    draw.text((12, top), name, _grey(INK), bold)
    column = explanation.findings.index(explanation.finding)
    score = f"score {say_score(float(explanation.radiograph_scores[column]))}, "
    score += f"operating point {say_score(explanation.operating_point)}"
    draw.text((12 + draw.textlength(name, bold) + 12, top), score, _grey(INK), plain)
    draw.text((12, top + 26), notice, _grey(FAINT_INK), small)
    if warnings:
        left = 12 + draw.textlength(notice + "   ", small)
        draw.text((left, top + 26), fit_text(draw, warnings, page.width - left - 12, small), AMBER, small)
    return to_png(page)


def _opacity(level: Float32Array) -> Float32Array:
    """Opacity of a level in [0, 1]: a smooth step, so that faint change everywhere does not veil the radiograph."""
    rise = np.clip((level - 0.08) / 0.72, 0.0, 1.0)
    return np.asarray(_STRONGEST * rise * rise * (3.0 - 2.0 * rise), np.float32)


def _colours(level: Float32Array) -> UInt8Array:
    """(...) levels in [0, 1] to (..., 3) uint8; the map's darkest fifth is left out, for it would darken the image."""
    rgba = mpl.colormaps[COLOUR_MAP](0.2 + 0.75 * level, bytes=True)
    return np.asarray(rgba, np.uint8)[..., :3]


def _draw_legend(page: Image.Image, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], scale: _Scale) -> None:
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
        draw.text((right + 8, y), say_percent(share * scale.top_percent), _grey(INK), small, anchor="lm")
    for line, words in enumerate(scale.heading):
        draw.text((left - 2, 8 + 12 * line), words, _grey(FAINT_INK), load_font(10))


def _grey(level: int) -> tuple[int, int, int]:
    return (level, level, level)
