"""The viewer as a person meets it: what can be seen and done there, by its words and roles."""

from __future__ import annotations

import base64
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Download, Locator, Page, expect

_DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""
_INK = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, coloured = 0;
  for (let i = 0; i < data.length; i += 4) {
    sum = (sum * 31 + data[i] + 7 * data[i + 1] + 13 * data[i + 2]) % 4294967291;
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) coloured += 1;
  }
  return [sum, coloured / (data.length / 4)];
}"""


class ViewerPage:
    """One page of a browser at one service's viewer."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.slider = page.get_by_role("slider", name="Frame, from curtailed to exaggerated")
        self.progress = page.locator("#progress")
        self.problem = page.get_by_role("alert")
        self.readout = page.locator("#readout")
        self.link = page.get_by_label("Link to these settings")

    def open(self, settings: str = "") -> None:
        """Load the page, with settings as a link has them."""
        self.page.goto(f"{self.url}/#{settings}" if settings else f"{self.url}/")
        expect(self.page.locator("#model option").first).to_be_attached()

    def open_sample(self, name: str = "1-large-heart-and-effusion", **settings: object) -> None:
        """Load the page by a link to a sample, and wait for its explanation."""
        self.open("&".join([f"sample={name}", *(f"{key}={value}" for key, value in settings.items())]))
        self.expect_explained()

    def expect_explained(self, finding: str = "") -> None:
        """Wait until the chosen finding's frames are there."""
        expect(self.button("Play")).to_be_enabled()
        expect(self.progress).to_be_hidden()
        if finding:
            expect(self.page.locator("#verdict")).to_have_text(finding)

    def drop(self, name: str, content: bytes, media_type: str = "") -> None:
        """Drop a file on the page."""
        self.page.evaluate(_DROP, [name, media_type, base64.b64encode(content).decode()])

    def button(self, name: str, *, exact: bool = True) -> Locator:
        """A button by its name."""
        return self.page.get_by_role("button", name=name, exact=exact)

    def bar(self, finding: str) -> Locator:
        """A finding's bar."""
        return self.page.locator(f'#bars button[data-finding="{finding}"]')

    def frame(self) -> int:
        """The frame that the slider is at."""
        return int(self.slider.input_value())

    def ink(self, canvas: str) -> tuple[int, float]:
        """What is drawn on a canvas: a sum that tells two pictures apart, and the share of it that is coloured."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        total, coloured = self.page.locator(f"#{canvas}").evaluate(_INK)
        return int(total), float(coloured)

    def download(self, name: str) -> bytes:
        """Press a download's button; the file that the browser saved."""
        with self.page.expect_download() as waiting:
            self.button(name).click()
        saved: Download = waiting.value
        assert saved.suggested_filename.startswith("cxrshift-")
        return saved.path().read_bytes()

    def serious_faults(self) -> list[str]:
        """Axe's serious and critical findings on the page as it stands."""
        found: dict[str, Any] = Axe().run(self.page).response
        return [
            f"{each['id']}: {each['help']} ({node['html'][:120]})"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]
