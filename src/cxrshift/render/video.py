"""The stack of frames as an MP4, for those who put it into a talk, a record or a page."""

from __future__ import annotations

import io
from fractions import Fraction
from importlib.util import find_spec
from typing import Final

import numpy as np

from cxrshift_api.types import Explanation, UInt8Array

from ..errors import CxrshiftError
from .animation import MILLISECONDS, draw_pages, sweep_of

_CODEC: Final = "libx264"
_SETTINGS = {"preset": "superfast", "crf": "20"}
"""Of the presets the quickest whose files are smaller than the WebP's; a quality at which no block is seen."""
_INDEX_BYTES, _INDEX_BYTES_OF_A_PAGE = 4096, 64


class VideoUnavailable(CxrshiftError):
    """This installation cannot make videos; an image form can be made instead."""


def has_video() -> bool:
    """Whether this installation can make videos."""
    return find_spec("av") is not None


def require_video() -> None:
    """Raise VideoUnavailable where ``has_video`` says no."""
    if not has_video():
        raise VideoUnavailable("A video needs the package av: pip install 'cxrshift[render]'.")


def render_mp4(explanation: Explanation, *, milliseconds: int = MILLISECONDS) -> bytes:
    """An MP4 of one sweep there and back: H.264, yuv420p, which every browser plays; it loops where its player does.

    Sides are even, as yuv420p wants them: a page of odd ones gets a black row or column. The index stands at the
    beginning, so that a player can start before it has all. Raises VideoUnavailable where PyAV is not installed.
    """
    require_video()
    import av

    pages = [av.VideoFrame.from_ndarray(_even(np.asarray(page)), format="gray") for page in draw_pages(explanation)]
    order = sweep_of(explanation)
    index_bytes = _INDEX_BYTES + _INDEX_BYTES_OF_A_PAGE * len(order)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"moov_size": str(index_bytes)}) as container:
        stream = container.add_stream(_CODEC, rate=Fraction(1000, milliseconds), options=_SETTINGS)
        stream.width, stream.height, stream.pix_fmt = pages[0].width, pages[0].height, "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every machine, and no thread for so little
        for time, page in enumerate(order):
            pages[page].pts = time
            container.mux(stream.encode(pages[page]))
        container.mux(stream.encode())
    return buffer.getvalue()


def _even(page: UInt8Array) -> UInt8Array:
    return np.pad(page, [(0, side % 2) for side in page.shape])
