"""A complete reader study in Chromium: twelve cases, two readers, both reads, and the statistics checked by hand."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.evaluation.reader_study import LATENT_SHIFT
from cxrshift.serving.stack import Stack
from cxrshift.study.database import Database
from cxrshift.study.server import StudyAddress, StudyServer
from tests.browser.phantom_cases import CASES, write_cases
from tests.browser.study_reader import CONFIDENCE, FEATURE, STEPS, Served, StudyReader

NOTE = "Rotated, 5 degrees.\nApex cut off."


def study(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["study", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@pytest.fixture(scope="module")
def served(browser: Browser, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A study that the running service explained, with two readers for the study and one for looking around."""
    folder = tmp_path_factory.mktemp("study")
    file = folder / "study.sqlite"
    server = f"grpc://{stack.grpc_target}"
    study("create", write_cases(folder), file, "--server", server, "--seed", 7, "--frames", 5)
    codes = {name: study("readers", "add", file, name) for name in (*STEPS, "R3")}
    codes["me"] = json.loads(study("readers", "add", file, "me", "--admin", "--json"))["code"]
    study("export", file, folder / "empty")
    with (folder / "empty/trials.csv").open(newline="") as table:
        numbers = {f"{row['target']} {float(row['prediction']):.4f}": i for i, row in enumerate(csv.DictReader(table))}
    assert len(numbers) == len(CASES)
    with Database(file) as database, StudyServer(database, StudyAddress(port=0)) as server_of_study:
        yield Served(file, server_of_study.url, codes, numbers)


def test_a_complete_study_by_two_readers_comes_out_as_calculated_by_hand(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    read_by_keys_with_a_reload(browser, served)
    read_by_mouse_with_the_browser_closed(browser, served)
    study("export", served.file, tmp_path / "tables")
    check_tables(tmp_path / "tables", served)
    check_statistics(tmp_path / "tables")
    check_administrators_page(browser, served)


def read_by_keys_with_a_reload(browser: Browser, served: Served) -> None:
    reader = StudyReader(browser, served, "R1")
    page = reader.page
    reader.enter()
    expect(page.get_by_role("heading", name="Before you begin")).to_be_focused()
    reader.begin()
    for position in range(1, 13):
        reader.wait_for(f"Case {position} of 12, read 1 of 2")
        if position == 5:
            page.keyboard.press("2")
            reader.comment.fill(NOTE)
            expect(reader.saved).to_have_text("Saved")
            page.reload()
            reader.wait_for("Case 5 of 12, read 1 of 2")
            expect(reader.comment).to_have_value(NOTE)
            expect(reader.chosen(CONFIDENCE)).to_have_text("2")
            page.keyboard.press("ArrowUp")  # the second question is the active one: the first has its answer
        reader.answer_by_keys()
    expect(page.get_by_role("heading", name="The second read")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for position in range(1, 13):
        reader.wait_for(f"Case {position} of 12, read 2 of 2")
        reader.answer_by_keys()
    expect(page.get_by_role("heading", name="That was the last case")).to_be_visible()
    reader.leave()


def read_by_mouse_with_the_browser_closed(browser: Browser, served: Served) -> None:
    reader = StudyReader(browser, served, "R2")
    reader.enter()
    for number in range(24):
        read, position = divmod(number, 12)
        if position == 0:
            reader.begin()
        where = f"Case {position + 1} of 12, read {read + 1} of 2"
        reader.wait_for(where)
        if number == 7:
            reader.question(FEATURE).get_by_role("button", name="4").click()
            expect(reader.saved).to_have_text("Saved")
            reader.leave()
            reader = StudyReader(browser, served, "R2")
            reader.enter()
            reader.wait_for(where)
            expect(reader.chosen(FEATURE)).to_have_text("4")
        reader.answer_by_mouse()
    expect(reader.page.get_by_role("heading", name="That was the last case")).to_be_visible()
    reader.leave()


def check_tables(folder: Path, served: Served) -> None:
    with (folder / "readings.csv").open(newline="") as table:
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
    assert all(0.0 < float(row["seconds"]) < 120.0 for row in rows)
    assert [row["comment"] for row in rows if row["comment"]] == [NOTE]
    for label in ("True Positive", "True Negative"):
        for finding in ("Cardiomegaly", "Effusion"):
            firsts = [
                row["arm"]
                for row in rows
                if (row["reader"], row["read"], row["label_name"], row["target"]) == ("R1", "0", label, finding)
            ]
            assert (len(firsts), firsts.count(LATENT_SHIFT) in (1, 2)) == (3, True)


def check_statistics(folder: Path) -> None:
    evaluated = CliRunner().invoke(app, ["evaluate", "reader-study", str(folder), "--json"])
    comparisons = json.loads(evaluated.stdout)["comparisons"]
    found = {(c["label"], c["question"]): c for c in comparisons if c["finding"] == "all"}
    for label in ("True Positive", "True Negative"):
        chosen = [i for i, (_, own) in enumerate(CASES.values()) if own == label]
        differences = [STEPS[reader][i] for i in chosen for reader in STEPS]
        mean = sum(differences) / len(differences)
        sd = math.sqrt(sum((d - mean) ** 2 for d in differences) / len(differences))
        confidence, feature = found[label, "confidence"], found[label, "correct_feature"]
        assert confidence["pairs"] == 12
        assert confidence["mean"] == pytest.approx(mean, abs=1e-12)
        assert confidence["sd"] == pytest.approx(sd, abs=1e-12)
        assert confidence["statistic"] == signed_rank(differences)
        assert (feature["mean"], feature["p"]) == (0.0, None)  # the same with both arms
    # Once in figures. True positives are the cases 4, 6, 9, 10, 11 and 12: with Latent Shift R1 is more confident by
    # -1, 1, -1, 2, 0 and 1, R2 by 1, 1, -1, 1, 1 and -1. Sum 4 and mean 4/12; squares sum to 14, so that the variance
    # is 14/12 - 1/9 = 19/18. Of eleven that are not 0, ten tie at rank 5.5 and the 2 has rank 11: four of the ten are
    # negative, 4 * 5.5 = 22, against 6 * 5.5 + 11 = 44.
    true = found["True Positive", "confidence"]
    assert true["mean"] == pytest.approx(1 / 3)
    assert true["sd"] == pytest.approx(math.sqrt(19 / 18))
    assert (true["statistic"], true["differing"]) == (22.0, 11)


def signed_rank(differences: Sequence[int]) -> float:
    """W by its definition: ranks of |d| without the zeros, ties sharing their mean; the smaller of the two sums."""
    sizes = sorted(abs(d) for d in differences if d)
    rank = {size: sum(i + 1 for i, other in enumerate(sizes) if other == size) / sizes.count(size) for size in sizes}
    return min(sum(rank[abs(d)] for d in differences if d * side > 0) for side in (1, -1))


def check_administrators_page(browser: Browser, served: Served) -> None:
    reader = StudyReader(browser, served, "me")
    reader.enter("admin")
    page = reader.page
    expect(page.get_by_role("heading", name="Progress and results")).to_be_visible()
    expect(page.locator("#readers tbody tr")).to_have_count(3)
    told = json.loads(study("results", served.file, "--json"))["comparisons"]
    shown = page.locator(".forest tbody tr:has(td.plot)")
    expect(shown).to_have_count(len(told))
    for one, words in zip(told, shown.all_inner_texts(), strict=True):
        assert f"{abs(one['mean']):.4f} ± {one['sd']:.4f}" in words
    needed = shown.first.locator("td").last
    before = needed.inner_text()
    page.get_by_label("Power of the next study").select_option("0.95")
    expect(needed).not_to_have_text(before)
    assert accessibility_faults(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Export tables").click()
    assert download.value.suggested_filename == "study.zip"
    reader.leave()


def accessibility_faults(page: Page) -> list[str]:
    """What axe calls serious or worse."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]


def test_the_pages_are_accessible_fit_a_narrow_window_and_count_what_is_seen(browser: Browser, served: Served) -> None:
    reader = StudyReader(browser, served, "R3", width=720, height=450)  # of 1440 by 900 at 200%
    page = reader.page
    page.goto(served.url)
    assert accessibility_faults(page) == []
    reader.watch.forgive("401")
    page.get_by_label("Your code").fill("0000-0000-0000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="does not open the study")).to_be_visible()
    reader.enter()
    reader.begin()
    seen: set[str] = set()
    position = 0
    while len(seen) < 2:
        position += 1
        reader.wait_for(f"Case {position} of 12, read 1 of 2")
        _, arm = reader.case()
        if arm not in seen:
            seen.add(arm)
            assert accessibility_faults(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            expect(page.get_by_text("Synthetic images. Not for diagnosis.")).to_be_in_viewport()
            if arm == LATENT_SHIFT:
                look_through_the_frames(page)
        for key in ("3", "3", "Enter"):
            page.keyboard.press(key)
    reader.wait_for(f"Case {position + 1} of 12, read 1 of 2")
    stand_still_while_hidden(page)
    page.get_by_role("button", name="Light").click()
    assert accessibility_faults(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Please answer: Is the model")).to_be_visible()
    keep_what_the_server_does_not_take(reader)
    reader.leave()


def look_through_the_frames(page: Page) -> None:
    where = page.locator("#pictures .player p")
    expect(where).to_have_text("Frame 3 of 5")
    page.keyboard.press("ArrowLeft")
    expect(where).to_have_text("Frame 2 of 5")
    page.get_by_role("slider", name="Frame, from taken away to added").press("End")
    expect(where).to_have_text("Frame 5 of 5")
    page.get_by_role("button", name="Play").click()
    expect(where).to_have_text("Frame 1 of 5")
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def stand_still_while_hidden(page: Page) -> None:
    """A tab in the background: its time does not count."""
    page.evaluate(
        "state => { Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        "hidden",
    )
    count = "fetch('/api/case').then((answer) => answer.json()).then((place) => place.draft.seconds)"
    page.wait_for_function(f"() => {count}.then((seconds) => seconds > 0)")
    before = page.evaluate(count)
    page.wait_for_timeout(1500)
    page.keyboard.press("2")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert page.evaluate(count) == pytest.approx(before, abs=0.11)
    page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")


def keep_what_the_server_does_not_take(reader: StudyReader) -> None:
    """The network is gone for a while."""
    reader.watch.forgive("ERR_INTERNET_DISCONNECTED")
    reader.context.set_offline(True)
    reader.page.keyboard.press("4")
    expect(reader.page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    expect(reader.saved).to_have_text("Not saved yet")
    reader.context.set_offline(False)
    expect(reader.saved).to_have_text("Saved")
    draft = reader.page.evaluate("fetch('/api/case').then((answer) => answer.json()).then((place) => place.draft)")
    assert (draft["confidence"], draft["correct_feature"]) == (2, 4)
