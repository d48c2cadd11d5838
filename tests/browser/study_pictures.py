"""The pictures of docs/reader-study.md, made anew: python -m tests.browser.study_pictures.

A study of twelve phantoms with the embedded model; its answers are drawn at random, so the figures mean nothing.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.evaluation.reader_study import LATENT_SHIFT
from cxrshift.study.database import Database
from cxrshift.study.people import list_people
from cxrshift.study.readings import find_place, submit_answer
from cxrshift.study.records import Answer
from cxrshift.study.server import StudyAddress, StudyServer
from tests.browser.phantom_cases import write_cases

FOLDER = Path(__file__).resolve().parents[2] / "docs/images/study"
_READERS = {"R1": 24, "R2": 24, "R3": 17}
"""How many cases each reader has answered when the administrator looks."""


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        study = folder / "study.sqlite"
        _run(
            "create",
            write_cases(folder),
            study,
            "--local",
            "-m",
            "phantom",
            "--title",
            "Heart and effusion",
            "--seed",
            7,
        )
        for reader in _READERS:
            _run("readers", "add", study, reader)
        admin = json.loads(_run("readers", "add", study, "me", "--admin", "--json"))["code"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with Database(study) as database, StudyServer(database, StudyAddress(port=0)) as server:
            _answer(database)
            _show_administrator(browser, f"{server.url}admin", admin)
            _show_reader(browser, server.url, _run("readers", "add", study, "R4"))
        browser.close()


def _show_reader(browser: Browser, url: str, code: str) -> None:
    page = _open(browser, url)
    _keep(page, "login")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    _keep(page, "instructions")
    page.get_by_role("button", name="Begin").click()
    wanted = {"latent-shift", "traditional"}
    while wanted:
        expect(page.locator("#pictures figure canvas").first).to_be_visible()
        before = page.locator("#progress-words").inner_text()
        has_frames = page.locator("#pictures input[type=range]").count() == 1
        arm = "latent-shift" if has_frames else "traditional"
        calls_present = page.locator("#verdict").inner_text() == "present"
        if arm in wanted and calls_present:
            wanted.remove(arm)
            for key in ("ArrowRight", "ArrowRight", "ArrowRight", "4"):
                page.keyboard.press(key)
            expect(page.locator("#saved")).to_have_text("Saved")
            _keep(page, arm)
        for key in ("4", "4", "Enter"):
            page.keyboard.press(key)
        expect(page.locator("#progress-words")).not_to_have_text(before)
    page.context.close()


def _answer(database: Database) -> None:
    lots = random.Random(5)
    for person in list_people(database):
        for _ in range(_READERS.get(person.name, 0)):
            here = find_place(database, person.number)
            assert here is not None
            more = lots.choice((0, 0, 1, 1, -1)) if here.arm == LATENT_SHIFT else 0
            base = 2 + sum(map(ord, here.example + person.name)) % 3
            seconds = round(lots.uniform(14.0, 48.0), 1)
            answer = Answer(base + more, min(5, max(1, base + lots.choice((-1, 0, 1)))), "", seconds)
            submit_answer(database, person.number, here.ticket, answer)


def _show_administrator(browser: Browser, url: str, code: str) -> None:
    page = _open(browser, url)
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    expect(page.locator(".forest").first).to_be_visible(timeout=60_000)
    page.locator("#overview-title").evaluate("title => title.blur()")
    _keep(page, "administration", full_page=True)
    page.context.close()


def _open(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1360, "height": 850}).new_page()
    page.goto(url)
    expect(page.get_by_label("Your code")).to_be_focused()
    return page


def _keep(page: Page, name: str, *, full_page: bool = False) -> None:
    page.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB")
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture.save(FOLDER / f"{name}.webp", quality=88, method=6)


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["study", *map(str, arguments)])
    if done.exit_code:
        raise SystemExit(done.output)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
