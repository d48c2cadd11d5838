"""The stack of frames as a moving picture: from the reconstruction up, down and back, without end."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from cxrshift_api.types import Explanation, Float32Array

from .canvas import FAINT_INK, INK, enlarge, fit_text, load_font, say_finding, say_lambda, say_score

STRIP_HEIGHT = 58
_SPARK_WIDTH = 84
_VALUE_WIDTH = 140
_WEBP_QUALITY = 80


def render_gif(explanation: Explanation, *, milliseconds: int = 100) -> bytes:
    """A looped GIF of the sweep; ``milliseconds`` is how long each frame stands (GIF rounds it to 10 ms).

    Every frame keeps its 256 grey levels: they are the one palette of the file.
    """
    pages = _pages(explanation)
    return _save(pages, "GIF", duration=milliseconds, loop=0, optimize=False, disposal=1)


def render_webp(explanation: Explanation, *, milliseconds: int = 100) -> bytes:
    """A looped WebP of the sweep, about a tenth of the GIF's size."""
    pages = [page.convert("RGB") for page in _pages(explanation)]
    return _save(pages, "WEBP", duration=milliseconds, loop=0, method=0, quality=_WEBP_QUALITY)


def sweep(frames: int, start: int) -> tuple[int, ...]:
    """Indices of an endless sweep over ``frames``: from ``start`` up to the last, down to the first, back to the start.

    The first page is the one a still preview shows, hence the start at λ = 0.
    """
    there_and_back = [*range(frames), *range(frames - 2, 0, -1)]
    return (*there_and_back[start:], *there_and_back[:start])


def _pages(explanation: Explanation) -> list[Image.Image]:
    drawn = [_page(explanation, frame) for frame in range(len(explanation.frames))]
    return [drawn[frame] for frame in sweep(len(drawn), explanation.zero_frame)]


def _page(explanation: Explanation, frame: int) -> Image.Image:
    """One frame, enlarged, with the strip beneath it; mode L."""
    picture = enlarge(explanation.frames[frame])
    page = Image.new("L", (picture.width, picture.height + STRIP_HEIGHT))
    page.paste(picture)
    draw = ImageDraw.Draw(page)
    top, right = picture.height + 7, picture.width - 10
    curve = explanation.score_curve
    _draw_spark(draw, curve, frame, (right - _SPARK_WIDTH, top, right, top + 24))
    value = f"{say_score(float(curve[frame]))}   λ {say_lambda(float(explanation.lambdas[frame]))}"
    bold, plain, small = load_font(14, bold=True), load_font(14), load_font(11)
    name = fit_text(draw, say_finding(explanation.finding), right - _SPARK_WIDTH - _VALUE_WIDTH - 10, bold)
    draw.text((10, top + 3), name, INK, bold)
    draw.text((10 + draw.textlength(name, bold) + 9, top + 3), value, INK, plain)
    draw.text((10, top + 31), fit_text(draw, explanation.notice, right - 10, small), FAINT_INK, small)
    return page


def _draw_spark(
    draw: ImageDraw.ImageDraw, curve: Float32Array, frame: int, box: tuple[float, float, float, float]
) -> None:
    """The score over the frames as a small line between 0 and 1, with a dot where this frame stands."""
    left, top, right, bottom = box
    xs = np.linspace(left, right - 4, len(curve))
    ys = bottom - (bottom - top) * np.clip(curve, 0.0, 1.0)
    draw.line([(left, bottom), (right - 4, bottom)], 70)
    draw.line([(left, top), (right - 4, top)], 70)
    draw.line([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], FAINT_INK, width=2)
    x, y = float(xs[frame]), float(ys[frame])
    draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=255, outline=0)


def _save(pages: Sequence[Image.Image], kind: str, **settings: int) -> bytes:
    buffer = io.BytesIO()
    pages[0].save(buffer, kind, save_all=True, append_images=pages[1:], **settings)
    return buffer.getvalue()
