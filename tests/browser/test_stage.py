"""A stack's pictures are drawn ahead while the page rests, and nobody can tell from what is on screen."""

from __future__ import annotations

import pytest

from tests.browser.viewer_page import ViewerPage

_SET_UP = """async () => {
  const { Stage } = await import("/web/common/stage.js");
  const { View } = await import("/web/common/view.js");
  const [count, side] = [3, 32];
  const values = Uint8Array.from({ length: count * side * side }, (_, i) => (i * 37 + (i >> 10) * 91) % 256);
  const heat = Float32Array.from({ length: side * side }, (_, i) => i / (side * side));
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.style = "width: 201px; height: 150px";
  const [copied, made, dropped] = [[], [], []];
  const inks = CanvasRenderingContext2D.prototype;
  const draw = inks.drawImage;
  inks.drawImage = function (source, ...where) {
    if (source instanceof ImageBitmap) copied.push(source);
    draw.call(this, source, ...where);
  };
  const print = OffscreenCanvas.prototype.transferToImageBitmap;
  OffscreenCanvas.prototype.transferToImageBitmap = function () {
    made.push(print.call(this));
    return made.at(-1);
  };
  const close = ImageBitmap.prototype.close;
  ImageBitmap.prototype.close = function () {
    dropped.push(this);
    close.call(this);
  };
  const view = new View();
  const stage = new Stage(canvas, view);
  stage.lay(heat, 1);
  stage.load({ shape: [count, side, side], values });
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const look = (index) => {
    const before = copied.length;
    stage.turn(index);
    stage.draw();
    return { seen: canvas.toDataURL(), copied: copied.length > before };
  };
  const ready = async (all) => {
    while (made.length < all) await new Promise((done) => setTimeout(done, 10));
    await new Promise((done) => setTimeout(done)); // the last one is taken up after it was made
  };
  Object.assign(window, { stage, view, look, ready, made, dropped, canvas });
}"""


@pytest.fixture
def stage(viewer: ViewerPage) -> ViewerPage:
    """A page with a stage of its own beside the viewer's: three pictures of noise under a map."""
    viewer.open()
    viewer.page.evaluate(_SET_UP)
    return viewer


def test_a_picture_drawn_ahead_looks_as_one_drawn_in_its_turn(stage: ViewerPage) -> None:
    at_once = stage.page.evaluate("(made.splice(0), stage.redraw(), [0, 1, 2].map(look))")
    stage.page.evaluate("ready(3)")
    later = stage.page.evaluate("[0, 1, 2].map(look)")
    assert [each["copied"] for each in at_once + later] == [False] * 3 + [True] * 3
    assert [each["seen"] for each in at_once] == [each["seen"] for each in later]
    assert len({each["seen"] for each in at_once}) == 3


@pytest.mark.parametrize(
    "change",
    [
        "view.set({ level: 40, width: 60 })",
        "view.zoomAt(2)",
        "view.set({ opacity: 0.2 })",
        "stage.lay(null)",
        "stage.load({ shape: [3, 32, 32], values: new Uint8Array(3 * 32 * 32).fill(99) })",
    ],
)
def test_what_was_drawn_ahead_is_forgotten_with_every_change(stage: ViewerPage, change: str) -> None:
    stage.page.evaluate("ready(3)")
    before = stage.page.evaluate("look(1)")
    changed = stage.page.evaluate(f"({change}, look(1))")
    assert not changed["copied"]
    assert changed["seen"] != before["seen"]
    assert stage.page.evaluate("dropped.length") == 3
    stage.page.evaluate("ready(6)")
    assert stage.page.evaluate("look(1)") == {"seen": changed["seen"], "copied": True}


def test_a_window_of_another_size_has_pictures_of_its_own(stage: ViewerPage) -> None:
    stage.page.evaluate("ready(3)")
    stage.page.evaluate("canvas.style.width = '120px'")
    stage.page.evaluate("ready(6)")
    assert stage.page.evaluate("made.slice(3).map((print) => print.width)") == [120] * 3


def test_a_closed_stage_keeps_nothing_and_hears_nothing(stage: ViewerPage) -> None:
    stage.page.evaluate("ready(3)")
    stage.page.evaluate("stage.close()")
    assert stage.page.evaluate("dropped.length") == 3
    stage.page.evaluate("view.zoomAt(2)")
    stage.page.wait_for_timeout(500)  # several times the rest after which pictures are drawn ahead
    assert stage.page.evaluate("made.length") == 3


def test_hidden_there_is_nothing_to_draw_ahead(stage: ViewerPage) -> None:
    stage.page.evaluate("ready(3)")
    stage.page.evaluate("canvas.style.display = 'none'")
    stage.page.wait_for_function("dropped.length === 3")
    stage.page.wait_for_timeout(500)
    assert stage.page.evaluate("made.length") == 3
    stage.page.evaluate("canvas.style.display = ''")
    stage.page.evaluate("ready(6)")
