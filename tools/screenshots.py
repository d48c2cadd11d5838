"""Take the documents' pictures of the viewer: ``python tools/screenshots.py``. Starts the stack and a Chromium."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig

FOLDER = Path(__file__).parents[1] / "docs/images/viewer"
SAMPLE = "#sample=1-large-heart-and-effusion"
WIDE, TALL, NARROW = (1440, 900), (1440, 1180), (390, 844)


def explain_all(page: Page) -> None:
    """The matrix, whole."""
    page.locator("#tab-alignment").click()
    page.locator("#explain-all").click()
    page.wait_for_function("() => document.querySelectorAll('#alignment tbody tr').length === 6")
    page.wait_for_function("() => document.querySelector('#progress').hidden")


def step_back(page: Page) -> None:
    """A frame in which the finding is curtailed."""
    for _ in range(4):
        page.keyboard.press("ArrowLeft")


def refuse(page: Page) -> None:
    """A file that is no image."""
    page.locator("#file").set_input_files({"name": "letter.pdf", "mimeType": "", "buffer": b"%PDF-1.7"})
    page.locator("#problem b").wait_for()


def nothing(page: Page) -> None:
    """As it is."""


PICTURES: dict[str, tuple[str, tuple[int, int], Callable[[Page], None]]] = {
    "start": ("", WIDE, nothing),
    "explained": (SAMPLE, WIDE, step_back),
    "light": (f"{SAMPLE}&finding=Effusion", WIDE, lambda page: page.locator("#theme").click()),
    "compare": (f"{SAMPLE}&maps=1&over=both", TALL, step_back),
    "alignment": (SAMPLE, TALL, explain_all),
    "narrow": (SAMPLE, NARROW, lambda page: page.locator("#verdict").evaluate("(verdict) => verdict.scrollIntoView()")),
    "problem": ("", WIDE, refuse),
}


def take(browser: Browser, url: str, name: str) -> None:
    """One picture."""
    settings, (width, height), act = PICTURES[name]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(f"{url}/{settings}")
    page.locator("#samples button").first.wait_for()
    if settings:
        page.wait_for_function("() => !document.querySelector('#play').disabled")
    act(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)
    page.evaluate("() => document.querySelector('#link').value = 'https://cxrshift.example/' + location.hash")
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(FOLDER / f"{name}.webp", quality=86, method=6)
    context.close()


def main() -> int:
    """All of them."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("There is no Chromium here; on Debian: apt-get install chromium\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Stack(StackConfig(models=(find_model("phantom"),))) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in PICTURES:
            take(browser, stack.rest_url, name)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
