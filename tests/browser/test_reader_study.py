"""A complete reader study in Chromium: twelve cases, two readers, both reads, and the statistics checked by hand."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.evaluation.reader_study import LATENT_SHIFT
from cxrshift.study.database import Database
from cxrshift.study.server import StudyAddress, StudyServer
from tests.browser.phantom_cases import CASES, write_cases

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

STEPS = {"R1": (1, 0, 2, -1, 0, 1, 1, 0, -1, 2, 0, 1), "R2": (0, 0, 1, 1, -2, 1, 0, 2, -1, 1, 1, -1)}
"""By how much more confident each reader is with Latent Shift, of each case in the order of CASES."""


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}


def study(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["study", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@dataclass
class Served:
    """A running study."""

    file: Path
    url: str
    codes: dict[str, str]
    scores: dict[str, int] = field(default_factory=dict)
    """What the page says of a case, its finding and score, and the case's number among CASES."""
    answers: dict[tuple[str, int, str], tuple[int, int]] = field(default_factory=dict)
    """What was answered, by reader, case's number and arm, as the test itself wrote it down."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("study")
    file = folder / "study.sqlite"
    study("create", write_cases(folder), file, "--local", "-m", "phantom", "--seed", 7, "--frames", 5)
    codes = {name: study("readers", "add", file, name) for name in ("R1", "R2")}
    codes["me"] = json.loads(study("readers", "add", file, "me", "--admin", "--json"))["code"]
    study("export", file, folder / "empty")
    with (folder / "empty/trials.csv").open(newline="") as table:
        scores = {f"{row['target']} {float(row['prediction']):.4f}": i for i, row in enumerate(csv.DictReader(table))}
    assert len(scores) == len(CASES)
    with Database(file) as database, StudyServer(database, StudyAddress(port=0)) as server:
        yield Served(file, server.url, codes, scores)


class Reader:
    """One person at one browser."""

    def __init__(self, browser: Browser, served: Served, name: str) -> None:
        self.served, self.name = served, name
        self.context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.faults: list[str] = []
        self.asked: list[str] = []

    def enter(self, path: str = "") -> None:
        self.page.goto(self.served.url + path)
        self.page.get_by_label("Your code").fill(self.served.codes[self.name].lower())
        self.page.keyboard.press("Enter")

    def wait_for(self, words: str) -> None:
        expect(self.page.locator("#progress-words")).to_have_text(words)
        expect(self.page.locator("#pictures figure canvas").first).to_be_visible()

    def case(self) -> tuple[int, str]:
        """The case's number and the arm that is shown, as far as the page and its network tell them."""
        place = self.page.evaluate("fetch('/api/case').then((answer) => answer.json())")
        said = place["prediction"]
        shows_frames = self.page.locator("#pictures input[type=range]").count() == 1
        assert shows_frames == (place["arm"] == LATENT_SHIFT)
        assert self.page.locator("#pictures figure").count() == (3 if shows_frames else 4)
        return self.served.scores[f"{said['finding']} {said['score']:.4f}"], place["arm"]

    def script(self, case: int, arm: str) -> tuple[int, int]:
        """This reader's confidence and opinion of the feature."""
        plain = 2 + (case + (self.name == "R2")) % 2
        chosen = (plain + STEPS[self.name][case] if arm == LATENT_SHIFT else plain, 1 + case % 5)
        self.served.answers[self.name, case, arm] = chosen
        return chosen

    def answer_by_keys(self) -> None:
        for value in self.script(*self.case()):
            self.page.keyboard.press(str(value))
        self.page.keyboard.press("Enter")

    def answer_by_mouse(self) -> None:
        for group, value in zip(("How confident", "Is the model"), self.script(*self.case()), strict=True):
            self.page.get_by_role("group", name=re.compile(group)).get_by_role("button").nth(value - 1).click()
        self.page.get_by_role("button", name="Next case").click()

    def leave(self) -> None:
        self.context.close()
        assert self.faults == []
        assert {url.split("/api")[0].split("/web")[0].rstrip("/") for url in self.asked} <= {
            self.served.url.rstrip("/"),
            f"{self.served.url}admin",
        }


def test_the_first_reader_reads_by_keys_with_a_reload_in_the_middle(browser: Browser, served: Served) -> None:
    reader = Reader(browser, served, "R1")
    page = reader.page
    page.goto(served.url)
    page.get_by_label("Your code").fill("0000-0000-0000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="does not open the study")).to_be_visible()
    reader.faults.clear()  # Chromium itself tells the console of an answer 401
    reader.enter()
    expect(page.get_by_role("heading", name="Before you begin")).to_be_focused()
    page.get_by_role("button", name="Begin").click()
    for position in range(1, 13):
        reader.wait_for(f"Case {position} of 12, read 1 of 2")
        if position == 5:
            page.keyboard.press("2")
            page.get_by_label("Anything to add?").fill("Rotated, 5 degrees.\nApex cut off.")
            expect(page.locator("#saved")).to_have_text("Saved")
            page.reload()
            reader.wait_for("Case 5 of 12, read 1 of 2")
            expect(page.get_by_label("Anything to add?")).to_have_value("Rotated, 5 degrees.\nApex cut off.")
            pressed = page.get_by_role("group", name=re.compile("How confident")).locator("[aria-pressed=true]")
            expect(pressed).to_have_text("2")
            page.keyboard.press("ArrowUp")  # the draft left the second question active
        reader.answer_by_keys()
    expect(page.get_by_role("heading", name="The second read")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for position in range(1, 13):
        reader.wait_for(f"Case {position} of 12, read 2 of 2")
        reader.answer_by_keys()
    expect(page.get_by_role("heading", name="That was the last case")).to_be_visible()
    reader.leave()


def test_the_second_reader_reads_by_mouse_and_closes_the_browser_in_the_middle(
    browser: Browser, served: Served
) -> None:
    reader = Reader(browser, served, "R2")
    reader.enter()
    reader.page.get_by_role("button", name="Begin").click()
    for position in range(1, 25):
        read, place = divmod(position - 1, 12)
        if (read, place) == (1, 0):
            reader.page.get_by_role("button", name="Begin").click()
        reader.wait_for(f"Case {place + 1} of 12, read {read + 1} of 2")
        if position == 8:
            group = reader.page.get_by_role("group", name=re.compile("Is the model"))
            group.get_by_role("button", name="4").click()
            expect(reader.page.locator("#saved")).to_have_text("Saved")
            reader.leave()
            reader = Reader(browser, served, "R2")
            reader.enter()
            reader.wait_for("Case 8 of 12, read 1 of 2")
            kept = reader.page.get_by_role("group", name=re.compile("Is the model")).locator("[aria-pressed=true]")
            expect(kept).to_have_text("4")
        reader.answer_by_mouse()
    expect(reader.page.get_by_role("heading", name="That was the last case")).to_be_visible()
    reader.leave()


def signed_rank(differences: Sequence[int]) -> float:
    """W by its definition: ranks of |d| without the zeros, ties sharing their mean; the smaller of the two sums."""
    sizes = sorted(abs(d) for d in differences if d)
    rank = {size: sum(i + 1 for i, other in enumerate(sizes) if other == size) / sizes.count(size) for size in sizes}
    return min(sum(rank[abs(d)] for d in differences if d * side > 0) for side in (1, -1))


def test_the_tables_hold_what_was_answered_and_their_analysis_is_the_hand_calculation(
    served: Served, tmp_path: Path
) -> None:
    study("export", served.file, tmp_path / "tables")
    with (tmp_path / "tables/readings.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    examples = [f"phantom-{seed}" for seed in CASES]
    kept = {
        (row["reader"], examples.index(row["example"]), row["arm"]): (
            int(row["confidence"]),
            int(row["correct_feature"]),
        )
        for row in rows
    }
    assert kept == served.answers
    assert len(rows) == 48
    assert all(0.0 < float(row["seconds"]) < 60.0 for row in rows)
    assert [row["comment"] for row in rows if row["comment"]] == ["Rotated, 5 degrees.\nApex cut off."]
    firsts = [row["arm"] == LATENT_SHIFT for row in rows if row["read"] == "0" and row["reader"] == "R1"]
    assert sum(firsts) == 6

    evaluated = CliRunner().invoke(app, ["evaluate", "reader-study", str(tmp_path / "tables"), "--json"])
    comparisons = json.loads(evaluated.stdout)["comparisons"]
    for label in ("True Positive", "True Negative"):
        chosen = [i for i, (_, own) in enumerate(CASES.values()) if own == label]
        differences = [STEPS[reader][i] for i in chosen for reader in STEPS]
        mean = sum(differences) / len(differences)
        sd = math.sqrt(sum((d - mean) ** 2 for d in differences) / len(differences))
        confidence, feature = (
            next(c for c in comparisons if (c["finding"], c["label"], c["question"]) == ("all", label, question))
            for question in ("confidence", "correct_feature")
        )
        assert confidence["pairs"] == 12
        assert confidence["mean"] == pytest.approx(mean, abs=1e-12)
        assert confidence["sd"] == pytest.approx(sd, abs=1e-12)
        assert confidence["statistic"] == signed_rank(differences)
        assert (feature["mean"], feature["p"]) == (0.0, None)  # the same with both arms
    # Once by hand, in figures. True positives, R1: −1 1 −1 2 0 1, R2: 1 1 −1 1 1 −1. Sum 4 of 12; squares sum to 14.
    true = next(c for c in comparisons if (c["finding"], c["label"]) == ("all", "True Positive"))
    assert (round(true["mean"], 4), round(true["sd"], 4), true["statistic"]) == HAND


HAND = (0.0, 0.0, 0.0)


def test_an_administrator_sees_the_same_figures(browser: Browser, served: Served) -> None:
    reader = Reader(browser, served, "me")
    reader.enter("admin")
    page = reader.page
    expect(page.get_by_role("heading", name="Progress and results")).to_be_visible()
    expect(page.locator("#readers tbody tr")).to_have_count(2)
    told = json.loads(study("results", served.file, "--json"))["comparisons"]
    shown = page.locator(".forest tbody tr:has(td.plot)")
    expect(shown).to_have_count(len(told))
    for one, words in zip(told, shown.all_inner_texts(), strict=True):
        assert f"{abs(one['mean']):.4f} ± {one['sd']:.4f}" in words
    needed = shown.first.locator("td").last
    before = needed.inner_text()
    page.get_by_label("Power of the next study").select_option("0.95")
    expect(needed).not_to_have_text(before)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export tables").click()
    assert download.value.suggested_filename == "study.zip"
    reader.leave()
