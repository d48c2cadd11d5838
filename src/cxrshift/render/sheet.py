"""One picture that tells the whole story: radiograph, curtailed, reconstruction, exaggerated, overlay."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

from cxrshift_api.types import Explanation, UInt8Array

from .canvas import FAINT_INK, INK, fit_text, load_font, say_finding, say_lambda, say_score, to_png
from .overlay import colour_overlay, top_share

_GAP = 10
_HEAD = 34
_FOOT = 30
_NOTICE = 30


@dataclass(frozen=True)
class _Tile:
    """One picture with the words above and below it."""

    title: str
    caption: str
    picture: Image.Image


def render_contact_sheet(explanation: Explanation, *, side: int = 320) -> bytes:
    """A PNG with the pictures side by side, each ``side`` pixels wide, with this finding's score under each.

    A side that was not searched has no picture.
    """
    tiles = _tiles(explanation, side)
    height = tiles[0].picture.height
    page = Image.new("RGB", (len(tiles) * (side + _GAP) + _GAP, _HEAD + height + _FOOT + _NOTICE))
    draw = ImageDraw.Draw(page)
    for place, tile in enumerate(tiles):
        left = _GAP + place * (side + _GAP)
        page.paste(tile.picture, (left, _HEAD))
        centre = left + side / 2
        draw.text((centre, _HEAD / 2), tile.title, _grey(INK), load_font(18, bold=True), anchor="mm")
        draw.text((centre, _HEAD + height + _FOOT / 2 + 2), tile.caption, _grey(INK), load_font(17), anchor="mm")
    small = load_font(14)
    words = f"{say_finding(explanation.finding)}, model {explanation.receipt.model}.  {explanation.notice}"
    place_of_words = (_GAP, _HEAD + height + _FOOT + 6)
    draw.text(place_of_words, fit_text(draw, words, page.width - 2 * _GAP, small), _grey(FAINT_INK), small)
    return to_png(page)


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
    height = round(overlay.height * side / overlay.width)
    percent = f"{100.0 * top_share(explanation):.2g}%"
    picture = overlay.resize((side, height), Image.Resampling.LANCZOS)
    shown.append(_Tile("What changed", f"up to {percent} of the grey range", picture))
    return shown


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
