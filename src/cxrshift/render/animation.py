"""The stack of frames as a moving picture: from the reconstruction up, down and back, without end."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import GifImagePlugin, Image, ImageDraw

from cxrshift_api.types import Explanation, Float32Array

from .canvas import (
    FAINT_INK,
    INK,
    SMALLEST_SIDE,
    enlarge,
    fit_text,
    load_font,
    say_finding,
    say_lambda,
    say_score,
)

STRIP_HEIGHT = 58
"""Height in pixels of the strip of words beneath a frame."""
MILLISECONDS = 100
"""How long each frame stands."""
_SPARK_WIDTH = 84
_VALUE_WIDTH = 140
_WEBP_QUALITY = 80
_GREYS = bytes(level for level in range(256) for _ in "rgb")
_FOR_EVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


def render_gif(explanation: Explanation, *, milliseconds: int = MILLISECONDS) -> bytes:
    """A looped GIF of the sweep; ``milliseconds`` is how long each frame stands (GIF rounds it to 10 ms).

    Every frame keeps its 256 grey levels: they are the one palette of the file. A page that the sweep passes twice is
    packed once.
    """
    pages = draw_pages(explanation)
    size = struct.pack("<HH", *pages[0].size)
    packed = [b"".join(GifImagePlugin.getdata(page, duration=milliseconds, disposal=1)) for page in pages]
    screen = b"GIF89a" + size + b"\xf7\x00\x00" + _GREYS  # a palette of 256 colours, of 8 bits each
    return screen + _FOR_EVER + b"".join(packed[page] for page in sweep_of(explanation)) + b";"


def render_webp(explanation: Explanation, *, milliseconds: int = MILLISECONDS) -> bytes:
    """A looped WebP of the sweep, about a twentieth of the GIF's size."""
    pages = [page.convert("RGB") for page in draw_pages(explanation)]
    first, *others = (pages[page] for page in sweep_of(explanation))
    buffer = io.BytesIO()
    # Without key frames: nobody jumps about in two seconds, and they cost a quarter of the time and of the bytes.
    timing = {"duration": milliseconds, "loop": 0, "kmin": 0, "kmax": 0}
    first.save(buffer, "WEBP", save_all=True, append_images=others, method=0, quality=_WEBP_QUALITY, **timing)
    return buffer.getvalue()


def sweep_of(explanation: Explanation) -> tuple[int, ...]:
    """The frames in the order in which a moving picture of ``explanation`` shows them."""
    return sweep(len(explanation.frames), explanation.zero_frame)


def sweep(frames: int, start: int) -> tuple[int, ...]:
    """Indices of an endless sweep over ``frames``: from ``start`` up to the last, down to the first, back to the start.

    The first page is the one a still preview shows, hence the start at λ = 0.
    """
    there_and_back = [*range(frames), *range(frames - 2, 0, -1)]
    return (*there_and_back[start:], *there_and_back[:start])


def draw_pages(
    explanation: Explanation, *, smallest_side: int = SMALLEST_SIDE, footer: str | None = None
) -> list[Image.Image]:
    """A page for each frame, in the frames' order: the frame enlarged, with a strip of words beneath it; mode L.

    The strip's last line is ``footer``, the explanation's notice where that is None.
    """
    pictures = [enlarge(frame, smallest_side) for frame in explanation.frames]
    strip = _draw_strip(explanation, pictures[0].width, explanation.notice if footer is None else footer)
    return [_draw_page(explanation, frame, picture, strip) for frame, picture in enumerate(pictures)]


@dataclass(frozen=True)
class _Strip:
    """What stands beneath every frame alike, and where to put what differs."""

    picture: Image.Image
    value_left: float
    dots: tuple[tuple[float, float], ...]
    """Each frame's place on the curve."""


def _draw_strip(explanation: Explanation, width: int, footer: str) -> _Strip:
    strip = Image.new("L", (width, STRIP_HEIGHT))
    draw = ImageDraw.Draw(strip)
    right = width - 10
    dots = _draw_spark(draw, explanation.score_curve, (right - _SPARK_WIDTH, 7, right, 31))
    bold, small = load_font(14, bold=True), load_font(11)
    name = fit_text(draw, say_finding(explanation.finding), right - _SPARK_WIDTH - _VALUE_WIDTH - 10, bold)
    draw.text((10, 10), name, INK, bold)
    draw.text((10, 38), fit_text(draw, footer, right - 10, small), FAINT_INK, small)
    return _Strip(strip, 10 + draw.textlength(name, bold) + 9, dots)


def _draw_page(explanation: Explanation, frame: int, picture: Image.Image, strip: _Strip) -> Image.Image:
    page = Image.new("L", (picture.width, picture.height + STRIP_HEIGHT))
    page.paste(picture)
    page.paste(strip.picture, (0, picture.height))
    draw = ImageDraw.Draw(page)
    score, lam = float(explanation.score_curve[frame]), float(explanation.lambdas[frame])
    value = f"{say_score(score)}   λ {say_lambda(lam)}"
    draw.text((strip.value_left, picture.height + 10), value, INK, load_font(14))
    x, y = strip.dots[frame][0], strip.dots[frame][1] + picture.height
    draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=255, outline=0)
    return page


def _draw_spark(
    draw: ImageDraw.ImageDraw, curve: Float32Array, box: tuple[float, float, float, float]
) -> tuple[tuple[float, float], ...]:
    """The score over the frames as a small line between 0 and 1; the place of each frame on it."""
    left, top, right, bottom = box
    xs = np.linspace(left, right - 4, len(curve))
    ys = bottom - (bottom - top) * np.clip(curve, 0.0, 1.0)
    places = tuple((float(x), float(y)) for x, y in zip(xs, ys, strict=True))
    draw.line([(left, bottom), (right - 4, bottom)], 70)
    draw.line([(left, top), (right - 4, top)], 70)
    draw.line(places, FAINT_INK, width=2)
    return places
