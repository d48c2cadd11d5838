"""One picture that tells the whole story: radiograph, curtailed, reconstruction, exaggerated, overlay, other maps."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from cxrshift_api.types import Explanation, UInt8Array

from .canvas import FAINT_INK, INK, fit_text, load_font, say_finding, say_lambda, say_percent, say_score, to_png
from .overlay import colour_overlay, colour_saliency, say_saliency, top_share

_GAP = 10
_HEAD = 34
_FOOT = 30
_NOTICE = 30
_ABOUT_MAPS = (
    "Traditional maps",
    "How much each pixel of the radiograph",
    "bears on the same score.",
    "Each has its own scale: compare",
    "where they are bright, not how bright.",
)
"""Written into the first place of the maps' row: there are three maps at most, and four pictures above at least."""


@dataclass(frozen=True)
class _Tile:
    """One picture with the words above and below it."""

    title: str
    caption: str
    picture: Image.Image


def render_contact_sheet(explanation: Explanation, *, side: int = 320) -> bytes:
    """A PNG with the pictures side by side, each ``side`` pixels wide, with this finding's score under each.

    A side that was not searched has no picture. Traditional maps, where there are any, stand in a row of their own,
    the last one below the overlay.
    """
    rows = [_tiles(explanation, side), _map_tiles(explanation, side)]
    rows = [tiles for tiles in rows if tiles]
    row_height = _HEAD + rows[0][0].picture.height + _FOOT
    columns = max(map(len, rows))
    page = Image.new("RGB", (columns * (side + _GAP) + _GAP, len(rows) * row_height + _NOTICE))
    draw = ImageDraw.Draw(page)
    for row, tiles in enumerate(rows):
        for place, tile in enumerate(tiles, columns - len(tiles)):
            _draw_tile(page, draw, tile, _GAP + place * (side + _GAP), row * row_height)
    if len(rows) > 1:
        _draw_about_maps(draw, row_height + _HEAD + side // 2, side)
    small = load_font(14)
    words = f"{say_finding(explanation.finding)}, model {explanation.receipt.model}.  {explanation.notice}"
    place_of_words = (_GAP, len(rows) * row_height + 6)
    draw.text(place_of_words, fit_text(draw, words, page.width - 2 * _GAP, small), _grey(FAINT_INK), small)
    return to_png(page)


def _draw_tile(page: Image.Image, draw: ImageDraw.ImageDraw, tile: _Tile, left: int, top: int) -> None:
    page.paste(tile.picture, (left, top + _HEAD))
    centre = left + tile.picture.width / 2
    foot = top + _HEAD + tile.picture.height + _FOOT / 2 + 2
    draw.text((centre, top + _HEAD / 2), tile.title, _grey(INK), load_font(18, bold=True), anchor="mm")
    draw.text((centre, foot), tile.caption, _grey(INK), load_font(17), anchor="mm")


def _draw_about_maps(draw: ImageDraw.ImageDraw, middle: int, width: int) -> None:
    title, *lines = _ABOUT_MAPS
    bold, plain = load_font(18, bold=True), load_font(15)
    top = middle - 12 * len(_ABOUT_MAPS)
    draw.text((_GAP + 6, top), fit_text(draw, title, width - 6, bold), _grey(INK), bold)
    for line, words in enumerate(lines, 1):
        draw.text((_GAP + 6, top + 6 + 24 * line), fit_text(draw, words, width - 6, plain), _grey(FAINT_INK), plain)


def _tiles(explanation: Explanation, side: int) -> list[_Tile]:
    own = explanation.findings.index(explanation.finding)
    original = say_score(float(explanation.radiograph_scores[own]))
    shown = [_Tile("Radiograph", f"score {original}", _fit(explanation.radiograph, side))]
    lambdas, zero = explanation.lambdas, explanation.zero_frame
    if lambdas[0] < 0:
        shown.append(_frame_tile("Curtailed", explanation, 0, side))
    shown.append(_frame_tile("Reconstruction", explanation, zero, side))
    if lambdas[-1] > 0:
        shown.append(_frame_tile("Exaggerated", explanation, len(lambdas) - 1, side))
    overlay = colour_overlay(explanation, smallest_side=side)
    percent = say_percent(100.0 * top_share(explanation))
    shown.append(_Tile("What changed", f"up to {percent} of the grey range", _shrink(overlay, side)))
    return shown


def _map_tiles(explanation: Explanation, side: int) -> list[_Tile]:
    maps = ((each, colour_saliency(explanation, each, smallest_side=side)) for each in explanation.saliency)
    return [_Tile(say_saliency(each), "on the radiograph itself", _shrink(picture, side)) for each, picture in maps]


def _shrink(overlay: Image.Image, side: int) -> Image.Image:
    height = round(overlay.height * side / overlay.width)
    return overlay.resize((side, height), Image.Resampling.LANCZOS)


def _frame_tile(title: str, explanation: Explanation, frame: int, side: int) -> _Tile:
    score = say_score(float(explanation.score_curve[frame]))
    caption = f"score {score}   λ {say_lambda(float(explanation.lambdas[frame]))}"
    return _Tile(title, caption, _fit(explanation.frames[frame], side))


def _fit(pixels: UInt8Array, side: int) -> Image.Image:
    """(H, W) uint8 resized to ``side`` pixels wide, mode RGB."""
    height, width = pixels.shape
    resized = Image.fromarray(pixels).resize((side, round(height * side / width)), Image.Resampling.LANCZOS)
    return resized.convert("RGB")


def _grey(level: int) -> tuple[int, int, int]:
    return (level, level, level)
