"""A real Chromium for each module of tests, and what no page may ever do in it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from cxrshift.demo import to_png
from cxrshift.phantom import generate
from cxrshift.serving.stack import Stack
from tests.browser.viewer_page import ViewerPage
from tests.browser.watch import Watch

expect.set_options(timeout=20_000)

# Playwright keeps an event loop running while it lives, beside which no asynchronous test of another module can run: so
# these, which the plugin has for the whole session, last for one module.


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install chromium)")
    running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture
def context(browser: Browser, window: dict[str, Any]) -> Iterator[BrowserContext]:
    opened = browser.new_context(**window)
    opened.grant_permissions(["clipboard-read", "clipboard-write"])
    yield opened
    opened.close()


@pytest.fixture
def window() -> dict[str, Any]:
    """Size and scale of the window; a test that wants another overrides this by parametrizing it."""
    return {"viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def watch(page: Page) -> Iterator[Watch]:
    """Hears every complaint and request of the page, and ends the test with what should not have been."""
    watching = Watch(page)
    yield watching
    watching.check()


@pytest.fixture(scope="session")
def phantom_png() -> bytes:
    """A patient with a large heart and an effusion."""
    return to_png(generate(18, findings=("Cardiomegaly", "Effusion")))


@pytest.fixture(scope="session")
def noise_png() -> bytes:
    """No radiograph at all."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def viewer(page: Page, watch: Watch, stack: Stack) -> ViewerPage:
    """The viewer of the running stack, not opened yet."""
    watch.allow_origin(stack.rest_url)
    return ViewerPage(page, stack.rest_url)
