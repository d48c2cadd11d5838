"""Pictures are read back with Pillow and numpy and looked at where it matters."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from cxrshift.render.animation import STRIP_HEIGHT, render_gif, render_webp, sweep
from cxrshift.render.archive import render_npz
from cxrshift.render.canvas import enlarge, enlarge_map, say_lambda, say_percent
from cxrshift.render.overlay import (
    SMALLEST_TOP,
    colour_overlay,
    colour_saliency,
    render_overlay,
    render_saliency,
    top_share,
)
from cxrshift.render.plot import render_score_curve, spread
from cxrshift.render.sheet import render_contact_sheet
from cxrshift_api.types import NOTICE, ExplainReply, SaliencyKind, SaliencyMap, Side, StopReason
from tests.render.examples import make_explanation, make_maps, make_reply


def open_image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def count_pages(image: Image.Image) -> int:
    return sum(1 for _ in ImageSequence.Iterator(image))


def test_a_sweep_starts_at_the_reconstruction_and_visits_its_ends_once() -> None:
    assert sweep(5, 2) == (2, 3, 4, 3, 2, 1, 0, 1)
    assert sweep(4, 3) == (3, 2, 1, 0, 1, 2)
    assert sweep(2, 0) == (0, 1)


def test_a_gif_holds_the_frames_in_sweep_order_with_their_exact_grey_levels() -> None:
    explanation = make_explanation(frames=5, side=384)  # large enough not to be resampled
    gif = open_image(render_gif(explanation, milliseconds=80))
    assert (gif.format, gif.size, count_pages(gif)) == ("GIF", (384, 384 + STRIP_HEIGHT), 8)
    assert (gif.info["loop"], gif.info["duration"]) == (0, 80)
    for page, frame in enumerate(sweep(5, 2)):
        gif.seek(page)
        pixels = np.asarray(gif.convert("L"))
        assert np.array_equal(pixels[:384], explanation.frames[frame])
        assert pixels[384:].max() > 200


def test_a_gif_of_small_frames_is_enlarged_by_a_whole_factor() -> None:
    assert open_image(render_gif(make_explanation(frames=3, side=100))).size == (400, 400 + STRIP_HEIGHT)


def test_a_webp_is_looped_and_far_smaller_than_the_gif() -> None:
    explanation = make_explanation(frames=7)
    data = render_webp(explanation, milliseconds=50)
    webp = open_image(data)
    assert (webp.format, count_pages(webp), webp.info["loop"]) == ("WEBP", 12, 0)
    assert len(data) < len(render_gif(explanation)) / 3


def test_where_nothing_changes_the_overlay_is_the_radiograph() -> None:
    explanation = make_explanation(side=128)
    heatmap = np.zeros_like(explanation.heatmap)
    heatmap[60:70, 60:70] = 400.0
    pixels = np.asarray(colour_overlay(replace(explanation, heatmap=heatmap), smallest_side=128))
    away = np.ones((128, 128), bool)
    away[58:72, 58:72] = False
    assert np.array_equal(pixels[away], np.repeat(explanation.radiograph[away][:, None], 3, axis=1))
    red, green, blue = pixels[65, 65].astype(int)
    assert red > green > blue


def test_an_overlay_of_hardly_any_change_stays_faint() -> None:
    explanation = make_explanation()
    faint = replace(explanation, heatmap=explanation.heatmap * (2.0 / explanation.heatmap.max()))
    assert top_share(faint) == SMALLEST_TOP
    grey = np.asarray(colour_overlay(faint, smallest_side=128))
    assert np.array_equal(grey, np.repeat(faint.radiograph[..., None], 3, axis=2))


def test_the_overlay_writes_its_scale_beside_the_picture() -> None:
    page = np.asarray(open_image(render_overlay(make_explanation())).convert("RGB"))
    assert page.shape == (512 + 54, 512 + 96, 3)
    assert page[40:488, 512 + 16 : 512 + 34].std() > 30
    assert page[:, 512 + 38 :].max() > 200


def test_a_percentage_has_two_digits_and_no_exponent() -> None:
    assert [say_percent(value) for value in (0.0, 0.0512, 5.0, 12.34, 99.7)] == ["0%", "0.051%", "5%", "12%", "100%"]


def test_a_traditional_map_is_drawn_whatever_its_unit_and_one_outlier_does_not_hide_the_rest() -> None:
    explanation = make_maps(make_explanation(), [SaliencyKind.INPUT_GRADIENT])
    [saliency] = explanation.saliency
    drawn = np.asarray(colour_saliency(explanation, saliency, smallest_side=128))
    larger = SaliencyMap(saliency.kind, saliency.values * np.float32(2**20))
    assert np.array_equal(np.asarray(colour_saliency(explanation, larger, smallest_side=128)), drawn)
    coloured = drawn.max(-1) != drawn.min(-1)
    assert coloured[explanation.heatmap > 0].mean() > 0.5
    assert not coloured[explanation.heatmap == 0].sum() > 1
    blank = SaliencyMap(saliency.kind, np.zeros_like(saliency.values))
    grey = np.asarray(colour_saliency(explanation, blank, smallest_side=128))
    assert np.array_equal(grey, np.repeat(explanation.radiograph[..., None], 3, axis=2))


def test_a_traditional_map_has_a_page_like_the_heatmaps() -> None:
    explanation = make_maps(make_explanation())
    pages = [open_image(render_saliency(explanation, each)) for each in explanation.saliency]
    assert {page.size for page in pages} == {open_image(render_overlay(explanation)).size}
    first, second, _ = (np.asarray(page.convert("RGB")) for page in pages)
    assert np.array_equal(first[512:536], second[512:536])  # finding and score
    assert not np.array_equal(first[536:], second[536:])  # the map's name


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_traditional_maps_stand_on_the_sheet_in_a_row_of_their_own(one_sided: bool, count: int) -> None:
    plain = make_explanation(one_sided=one_sided)
    mapped = make_maps(plain, tuple(SaliencyKind)[:count])
    above, both = (np.asarray(open_image(render_contact_sheet(e)).convert("RGB")) for e in (plain, mapped))
    row = above.shape[0] - 30
    assert both.shape == (2 * row + 30, *above.shape[1:])
    assert np.array_equal(both[:row], above[:row])
    tiles = [both[row + 40 : row + 340, left + 10 : left + 310] for left in range(10, both.shape[1] - 10, 330)]
    pictures = [tile.mean() > 60 for tile in tiles]
    assert pictures == [False] * (len(tiles) - count) + [True] * count
    assert tiles[0].max() > 200  # words in the place that no map takes


def test_a_map_is_enlarged_within_its_range_and_to_the_size_of_its_image() -> None:
    rng = np.random.default_rng(3)
    values = rng.random((100, 130), dtype=np.float32)
    larger = enlarge_map(values)
    assert larger.shape[::-1] == enlarge((255 * values).astype(np.uint8)).size == (520, 400)
    assert values.min() <= larger.min() < larger.max() <= values.max()


@pytest.mark.parametrize("count", [2, 6, 18])
def test_the_score_curve_draws_any_number_of_findings(count: int) -> None:
    base = make_explanation()
    names = tuple(f"Finding_{i}" for i in range(count))
    scores = np.random.default_rng(count).random((11, count)).astype(np.float32)
    explanation = replace(base, finding=names[1], findings=names, scores=scores, radiograph_scores=scores[4])
    assert open_image(render_score_curve(explanation)).size == (960, 576)


def test_the_explained_finding_is_drawn_in_the_accent_colour() -> None:
    pixels = np.asarray(open_image(render_score_curve(make_explanation())).convert("RGB")).astype(int)
    accent = np.abs(pixels - [0xB3, 0x26, 0x1E]).max(-1) < 8
    assert 1000 < accent.sum() < 20000


def test_a_one_sided_search_is_drawn_with_one_side() -> None:
    one, two = make_explanation(one_sided=True), make_explanation()
    assert open_image(render_contact_sheet(one)).width < open_image(render_contact_sheet(two)).width
    assert open_image(render_score_curve(one)).size == (960, 576)


def test_curves_are_drawn_alike_on_many_threads() -> None:
    explanations = [make_explanation(), make_explanation("Effusion")]
    alone = [render_score_curve(e) for e in explanations]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(render_score_curve, explanations * 4)) == alone * 4


def test_labels_keep_their_order_and_their_distance() -> None:
    assert spread([0.5, 0.1], 0.05) == [0.5, 0.1]
    placed = spread([0.90, 0.91, 0.10, 0.92], 0.1)
    assert placed[2] == pytest.approx(0.10)
    assert [placed[0], placed[1], placed[3]] == pytest.approx([0.81, 0.91, 1.01])
    assert spread([], 0.1) == []


def test_a_shift_is_written_with_a_sign_and_three_digits() -> None:
    assert [say_lambda(v) for v in (-0.0123456, 0.0, 1234.5)] == ["−0.0123", "0", "+1.23e+03"]


def test_an_archive_gives_every_array_back_without_unpickling() -> None:
    reply = make_reply("Cardiomegaly", "Mass")
    with np.load(io.BytesIO(render_npz(reply)), allow_pickle=False) as archive:
        words = json.loads(archive["json"].tobytes())
        for index, explanation in enumerate(reply.explanations):
            assert np.array_equal(archive[f"{index}/frames"], explanation.frames)
            assert np.array_equal(archive[f"{index}/scores"], explanation.scores)
            assert archive[f"{index}/heatmap"].dtype == np.float32
    second = words["explanations"][1]
    assert (second["notice"], words["request_id"]) == (NOTICE, "r-1")
    assert (second["finding"], second["below"]["stop"]) == ("Mass", "floor")
    assert second["receipt"]["options"]["findings"] == ["Mass"]
    assert "frames" not in second


def test_an_archive_holds_each_map_by_its_kind() -> None:
    kinds = (SaliencyKind.INTEGRATED_GRADIENTS, SaliencyKind.INPUT_GRADIENT)
    explanation = make_maps(make_explanation(), kinds)
    with np.load(io.BytesIO(render_npz(ExplainReply((explanation,)))), allow_pickle=False) as archive:
        for each in explanation.saliency:
            np.testing.assert_array_equal(archive[f"0/saliency/{each.kind}"], each.values, strict=True)
        [words] = json.loads(archive["json"].tobytes())["explanations"]
    assert "saliency" not in words
    assert words["receipt"]["options"]["saliency"] == list(kinds)


def test_a_frame_larger_than_the_smallest_side_keeps_its_size() -> None:
    assert enlarge(np.zeros((500, 600), np.uint8)).size == (600, 500)


def test_pictures_of_the_smallest_possible_explanation_are_drawn() -> None:
    base = make_explanation(frames=2, one_sided=True)
    blank = replace(base, heatmap=np.zeros_like(base.heatmap), below=Side(StopReason.LAST_LAMBDA, -0.5, 1))
    for render in (render_gif, render_webp, render_overlay, render_score_curve, render_contact_sheet):
        open_image(render(blank)).load()
    assert render_npz(ExplainReply(()))


def test_the_overlay_shows_the_quality_cards_warnings_in_amber() -> None:
    warned = make_explanation()
    calm = replace(warned, quality=replace(warned.quality, warnings=()))

    def count_amber(data: bytes) -> int:
        caption = np.asarray(open_image(data).convert("RGB")).astype(int)[512:]
        return int((np.abs(caption - [240, 180, 70]).max(-1) < 20).sum())

    assert count_amber(render_overlay(warned)) > 50
    assert count_amber(render_overlay(calm)) == 0
