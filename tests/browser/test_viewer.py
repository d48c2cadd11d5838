"""The viewer in a browser, in front of the running stack: what a reader does with one radiograph."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.viewer_page import ViewerPage

_NOTE_FRAMES = """() => {
  window.seen = [];
  const slider = document.querySelector("#sweep input");
  new MutationObserver(() => seen.push(Number(slider.value))).observe(slider, { attributeFilter: ["aria-valuetext"] });
}"""


def test_an_empty_page_invites(viewer: ViewerPage) -> None:
    viewer.open()
    expect(viewer.page.get_by_role("heading", name="See what a chest X-ray classifier sees")).to_be_visible()
    expect(viewer.page.get_by_text("Drop a radiograph")).to_be_visible()
    expect(viewer.page.get_by_text("Synthetic images. Not for diagnosis.")).to_be_visible()
    expect(viewer.page.locator("#samples button")).to_have_count(5)
    assert viewer.serious_faults() == []


def test_a_sample_is_scored_and_explained(viewer: ViewerPage) -> None:
    viewer.open()
    viewer.button("large heart and effusion").click()
    viewer.expect_explained("Cardiomegaly")
    expect(viewer.page.locator("#bars button")).to_have_count(6)
    expect(viewer.bar("Cardiomegaly")).to_contain_text("operating point 0.50, present")
    expect(viewer.bar("Mass")).to_contain_text("operating point 0.26, absent")
    expect(viewer.bar("Cardiomegaly")).to_have_attribute("aria-pressed", "true")
    expect(viewer.page.get_by_text("Synthetic images. Not for diagnosis.")).to_be_in_viewport()
    radiograph, coloured = viewer.ink("radiograph")
    assert radiograph
    assert 0.005 < coloured < 0.5  # the heatmap lies over some of it
    assert viewer.ink("frame")[1] == 0.0
    assert viewer.serious_faults() == []


def test_the_slider_moves_by_mouse_keys_and_wheel(viewer: ViewerPage) -> None:
    viewer.open_sample()
    page, middle = viewer.page, viewer.frame()
    expect(page.locator("#frame-name")).to_have_text("Reconstruction")
    reconstruction, _ = viewer.ink("frame")

    box = viewer.slider.bounding_box()
    assert box
    page.mouse.click(box["x"] + 10, box["y"] + box["height"] / 2)
    assert viewer.frame() == 0
    expect(page.locator("#frame-name")).to_have_text("Curtailed")
    curtailed, _ = viewer.ink("frame")
    assert curtailed != reconstruction
    assert "frame 1 of 11, curtailed, λ " in str(viewer.slider.get_attribute("aria-valuetext"))

    viewer.slider.press("ArrowRight")
    assert viewer.frame() == 1
    viewer.slider.press("End")
    assert viewer.frame() == 10
    expect(page.locator("#frame-name")).to_have_text("Exaggerated")

    page.locator("#frame").hover()
    page.mouse.wheel(0, 120)
    assert viewer.frame() == 9
    page.keyboard.press("r")
    assert viewer.frame() == middle
    assert viewer.ink("frame")[0] == reconstruction
    viewer.button("One frame back").click()
    assert viewer.frame() == middle - 1


def test_the_curve_moves_along_and_can_be_grasped(viewer: ViewerPage) -> None:
    viewer.open_sample()
    curve, dot = viewer.page.locator("#sweep svg"), viewer.page.locator("#sweep circle")
    before = float(dot.get_attribute("cx") or math.nan)
    box = curve.bounding_box()
    assert box
    viewer.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 40)
    viewer.page.mouse.down()
    viewer.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40)
    viewer.page.mouse.up()
    assert viewer.frame() == 2
    assert float(dot.get_attribute("cx") or math.nan) < before


def test_play_sweeps_both_ways_and_pauses(viewer: ViewerPage) -> None:
    viewer.open_sample()
    viewer.page.evaluate(_NOTE_FRAMES)
    viewer.button("Play").click()
    viewer.page.wait_for_function("() => seen.includes(10) && seen.includes(0)")
    viewer.page.keyboard.press("b")  # blinking ends the sweep
    expect(viewer.button("Play")).to_be_visible()
    seen: list[int] = viewer.page.evaluate("() => seen")
    assert all(abs(a - b) == 1 for a, b in pairwise(seen))
    expect(viewer.button("Blink")).to_have_attribute("aria-pressed", "true")


def test_blink_alternates_reconstruction_and_frame(viewer: ViewerPage) -> None:
    viewer.open_sample()
    viewer.slider.press("Home")
    curtailed = viewer.ink("frame")[0]
    viewer.page.locator("body").press("b")
    expect(viewer.page.locator("#frame-name")).to_have_text("Reconstruction")
    assert viewer.ink("frame")[0] != curtailed
    expect(viewer.page.locator("#frame-name")).to_have_text("Curtailed")
    viewer.button("Blink").click()
    expect(viewer.page.locator("#frame-name")).to_have_text("Curtailed")
    assert viewer.frame() == 0


def test_the_heatmap_is_laid_faded_cut_and_coloured(viewer: ViewerPage) -> None:
    viewer.open_sample()
    page = viewer.page
    full, coloured = viewer.ink("radiograph")
    page.get_by_label("Opacity").fill("0.4")
    faint, _ = viewer.ink("radiograph")
    page.get_by_label("Threshold").fill("0.6")
    _, less = viewer.ink("radiograph")
    page.get_by_label("Colours").select_option("viridis")
    green, _ = viewer.ink("radiograph")
    assert len({full, faint, green}) == 3
    assert 0 < less < coloured
    page.get_by_label("Heatmap over").select_option("frame")
    assert viewer.ink("radiograph")[1] == 0.0
    assert viewer.ink("frame")[1] > 0.0
    page.locator("#frame").focus()
    page.keyboard.press("m")
    page.keyboard.press("m")
    expect(page.get_by_label("Heatmap over")).to_have_value("none")
    assert viewer.ink("frame")[1] == 0.0


def test_window_level_zoom_and_pan_go_in_step(viewer: ViewerPage) -> None:
    viewer.open_sample(over="none")
    page = viewer.page
    fit = viewer.ink("radiograph")[0], viewer.ink("frame")[0]
    viewer.button("Zoom in").click()
    closer = viewer.ink("radiograph")[0], viewer.ink("frame")[0]
    page.locator("#frame").focus()
    page.keyboard.press("Shift+ArrowLeft")
    moved = viewer.ink("radiograph")[0], viewer.ink("frame")[0]
    page.keyboard.press("0")
    assert (viewer.ink("radiograph")[0], viewer.ink("frame")[0]) == fit
    page.get_by_label("Window", exact=True).fill("120")
    narrow = viewer.ink("radiograph")[0], viewer.ink("frame")[0]
    for both in (closer, moved, narrow):
        assert both[0] != fit[0]
        assert both[1] != fit[1]
    assert closer != moved
    viewer.button("Reset window").click()
    assert (viewer.ink("radiograph")[0], viewer.ink("frame")[0]) == fit


def test_traditional_maps_come_beside_it(viewer: ViewerPage) -> None:
    viewer.open_sample()
    viewer.button("Add traditional maps").click()
    pictures = viewer.page.locator("#compare figure")
    expect(pictures).to_have_count(4)
    for name in ("Latent Shift", "Input gradient", "Integrated gradients", "Guided backpropagation"):
        expect(viewer.page.get_by_role("img", name=f"{name} over the radiograph")).to_be_visible()
    viewer.expect_explained("Cardiomegaly")
    assert viewer.serious_faults() == []


def test_other_findings_are_explained_and_aligned(viewer: ViewerPage) -> None:
    viewer.open_sample()
    viewer.page.get_by_role("tab", name="Other findings").click()
    row = viewer.page.locator("#alignment tbody tr")
    expect(row).to_have_count(1)
    expect(row.locator("td").first).to_have_text("+1.00")
    viewer.button("Explain the other 5 too").click()
    expect(row).to_have_count(6)
    viewer.expect_explained("Cardiomegaly")
    for i in range(6):
        expect(row.nth(i).locator("td").nth(i)).to_have_text(re.compile(r"\+1\.00|–"))
    viewer.page.keyboard.press("]")
    viewer.expect_explained("Effusion")
    assert viewer.serious_faults() == []


def test_the_quality_card_warns_above_the_pictures(viewer: ViewerPage, noise_png: bytes) -> None:
    viewer.open()
    viewer.drop("noise.png", noise_png)
    viewer.expect_explained()
    warning = viewer.page.locator("#warnings li").first
    expect(warning).to_be_visible()
    box, stage = warning.bounding_box(), viewer.page.locator("#radiograph").bounding_box()
    assert box
    assert stage
    assert box["y"] + box["height"] <= stage["y"]
    expect(viewer.page.locator("#quality")).to_contain_text("above the pictures")
    assert viewer.serious_faults() == []


def test_a_link_holds_the_settings_and_never_the_image(viewer: ViewerPage, phantom_png: bytes) -> None:
    viewer.open()
    viewer.drop("someone.png", phantom_png)
    viewer.expect_explained()
    viewer.bar("Effusion").click()
    viewer.expect_explained("Effusion")
    viewer.page.get_by_label("Colours").select_option("cividis")
    viewer.page.get_by_label("Opacity").fill("0.5")
    link = viewer.link.input_value()
    told = {name: values[0] for name, values in parse_qs(urlsplit(link).fragment).items()}
    assert told == {"finding": "Effusion", "colours": "cividis", "opacity": "0.5"}
    viewer.button("Copy").click()
    expect(viewer.button("Copied")).to_be_visible()
    assert viewer.page.evaluate("() => navigator.clipboard.readText()") == link

    viewer.page.goto("about:blank")
    viewer.page.goto(link)
    expect(viewer.page.get_by_text("Drop a radiograph")).to_be_visible()
    viewer.drop("someone.png", phantom_png)
    viewer.expect_explained("Effusion")
    expect(viewer.page.get_by_label("Colours")).to_have_value("cividis")


def test_settings_of_the_explanation_make_it_anew(viewer: ViewerPage) -> None:
    viewer.open_sample()
    viewer.page.get_by_text("How it is explained").click()
    viewer.page.get_by_label("Frames").select_option("21")
    expect(viewer.slider).to_have_attribute("max", "20")
    viewer.page.get_by_label("Search").select_option("latentshift")
    expect(viewer.page.locator("#receipt")).to_contain_text("latentshift", use_inner_text=False)


def test_light_is_remembered(viewer: ViewerPage) -> None:
    viewer.open_sample()
    viewer.button("Light").click()
    expect(viewer.page.locator("html")).to_have_attribute("data-theme", "light")
    assert viewer.serious_faults() == []
    viewer.page.reload()
    expect(viewer.page.locator("html")).to_have_attribute("data-theme", "light")


def test_keys_alone_suffice(viewer: ViewerPage) -> None:
    viewer.open()
    page = viewer.page
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.closest('#samples') !== null"):
            break
    page.keyboard.press("Enter")
    viewer.expect_explained("Cardiomegaly")
    page.keyboard.press("ArrowLeft")
    assert viewer.frame() == 4
    page.keyboard.press("Space")
    expect(viewer.button("Pause")).to_be_visible()
    page.keyboard.press("Space")
    expect(viewer.button("Play")).to_be_visible()
    _tab_to(page, "tab-compare")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Other findings")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="How to read this")).to_be_visible()
    assert viewer.serious_faults() == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        if page.evaluate("() => document.activeElement.id") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} can't be reached by Tab")


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 375, "height": 812}, "has_touch": True},
        {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2},
        {"viewport": {"width": 1024, "height": 700}},
    ],
    ids=["narrow", "zoom-200", "tablet"],
)
def test_the_page_fits_whatever_window(viewer: ViewerPage) -> None:
    viewer.open_sample(maps=1)
    assert viewer.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    for part in ("#radiograph", "#frame", "#sweep input", "#quality", "#downloads"):
        viewer.page.locator(part).scroll_into_view_if_needed()
        expect(viewer.page.locator(part)).to_be_in_viewport()
        expect(viewer.page.get_by_text("Synthetic images. Not for diagnosis.")).to_be_in_viewport()
    viewer.slider.press("Home")
    assert viewer.frame() == 0
    assert viewer.serious_faults() == []
