"""Videos are decoded back, as a browser would."""

from __future__ import annotations

import io
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from cxrshift.render.animation import STRIP_HEIGHT, draw_pages, render_webp, sweep_of
from cxrshift.render.video import VideoUnavailable, has_video, render_mp4
from cxrshift_api.types import Explanation
from tests.render.examples import make_explanation


def read_frames(data: bytes) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    with av.open(io.BytesIO(data), "r") as video:
        return [frame.to_ndarray(format="gray").astype(np.int64) for frame in video.decode(video=0)]


def error_of(data: bytes, explanation: Explanation) -> float:
    """The largest mean difference of a shown frame from the page that it should be, in grey levels."""
    pages = [np.asarray(page, np.int64) for page in draw_pages(explanation)]
    shown = [pages[page] for page in sweep_of(explanation)]
    pairs = zip(read_frames(data), shown, strict=True)
    return max(float(np.abs(frame[: page.shape[0], : page.shape[1]] - page).mean()) for frame, page in pairs)


def test_a_video_sweeps_there_and_back_in_a_form_that_browsers_play() -> None:
    explanation = make_explanation(frames=7)
    data = render_mp4(explanation, milliseconds=50)
    with av.open(io.BytesIO(data), "r") as container:
        [stream] = container.streams.video
        assert (container.format.name, stream.codec_context.name) == ("mov,mp4,m4a,3gp,3g2,mj2", "h264")
        assert (stream.codec_context.pix_fmt, stream.average_rate, stream.frames) == ("yuv420p", Fraction(20), 12)
    assert error_of(data, explanation) < 2.0
    assert data.index(b"moov") < data.index(b"mdat")
    assert len(data) < len(render_webp(explanation))


def test_the_same_explanation_gives_the_same_video() -> None:
    explanation = make_explanation(frames=5)
    assert render_mp4(explanation) == render_mp4(explanation)


def test_odd_sides_are_made_even_and_nothing_is_cut() -> None:
    explanation = make_explanation(frames=3, side=385)
    data = render_mp4(explanation)
    assert {frame.shape for frame in read_frames(data)} == {(385 + STRIP_HEIGHT + 1, 386)}
    assert error_of(data, explanation) < 2.0


@pytest.mark.parametrize("frames", [2, 101])
def test_the_index_fits_for_the_fewest_and_the_most_frames(frames: int) -> None:
    explanation = make_explanation(frames=frames, side=64, one_sided=frames == 2)
    assert len(read_frames(render_mp4(explanation))) == len(sweep_of(explanation))


def test_without_pyav_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "av")
    assert not has_video()
    with pytest.raises(VideoUnavailable, match=r"pip install 'cxrshift\[render\]'"):
        render_mp4(make_explanation(frames=3))
