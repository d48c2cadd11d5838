"""A reader of a study at a browser, following a script, and what the script says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from cxrshift.evaluation.reader_study import LATENT_SHIFT
from tests.browser.watch import Watch

STEPS = {"R1": (1, 0, 2, -1, 0, 1, 1, 0, -1, 2, 0, 1), "R2": (0, 0, 1, 1, -2, 1, 0, 2, -1, 1, 1, -1)}
"""By how much more confident each reader is with Latent Shift, of each case in the order of phantom_cases.CASES."""
CONFIDENCE, FEATURE = "How confident", "Is the model"


@dataclass
class Served:
    """A running study."""

    file: Path
    url: str
    codes: dict[str, str]
    numbers: dict[str, int]
    """What the page says of a case, its finding and score, and the case's number among CASES."""
    answers: dict[tuple[str, int, str], tuple[int, int]] = field(default_factory=dict)
    """What was answered, by reader, case's number and arm, as the script itself wrote it down."""


class StudyReader:
    """One person at one browser. ``leave`` also says what the page did that it must not do."""

    def __init__(self, browser: Browser, served: Served, name: str, *, width: int = 1440, height: int = 900) -> None:
        self.served, self.name = served, name
        self.context: BrowserContext = browser.new_context(viewport={"width": width, "height": height})
        self.page: Page = self.context.new_page()
        self.watch = Watch(self.page)
        self.watch.allow_origin(served.url)
        self.saved = self.page.locator("#saved")
        self.comment = self.page.get_by_label("Anything to add?")

    def enter(self, path: str = "") -> None:
        """Open the page and give one's code."""
        self.page.goto(self.served.url + path)
        self.page.get_by_label("Your code").fill(self.served.codes[self.name].lower())
        self.page.keyboard.press("Enter")

    def begin(self) -> None:
        """Leave the instructions."""
        self.page.get_by_role("button", name="Begin").click()

    def wait_for(self, words: str) -> None:
        """Until the page stands at this case with its pictures."""
        expect(self.page.locator("#progress-words")).to_have_text(words)
        expect(self.page.locator("#pictures figure canvas").first).to_be_visible()

    def question(self, words: str) -> Locator:
        """One of the two five-point questions."""
        return self.page.get_by_role("group", name=re.compile(words))

    def chosen(self, words: str) -> Locator:
        """The answer that is pressed."""
        return self.question(words).locator("[aria-pressed=true]")

    def case(self) -> tuple[int, str]:
        """The case's number and the arm that is shown, as far as the page and its network tell them."""
        place = self.page.evaluate("fetch('/api/case').then((answer) => answer.json())")
        said = place["prediction"]
        shows_frames = self.page.locator("#pictures input[type=range]").count() == 1
        assert shows_frames == (place["arm"] == LATENT_SHIFT)
        assert self.page.locator("#pictures figure").count() == (3 if shows_frames else 4)
        return self.served.numbers[f"{said['finding']} {said['score']:.4f}"], place["arm"]

    def answer_by_keys(self) -> None:
        """What the script says, with the keyboard alone."""
        for value in self._script():
            self.page.keyboard.press(str(value))
        self.page.keyboard.press("Enter")

    def answer_by_mouse(self) -> None:
        """What the script says, with the mouse."""
        for words, value in zip((CONFIDENCE, FEATURE), self._script(), strict=True):
            self.question(words).get_by_role("button").nth(value - 1).click()
        self.page.get_by_role("button", name="Next case").click()

    def leave(self) -> None:
        """Close the browser."""
        self.context.close()
        self.watch.check()

    def _script(self) -> tuple[int, int]:
        """This reader's confidence, and the opinion of the feature, which is the same with both arms."""
        case, arm = self.case()
        plain = 2 + (case + (self.name == "R2")) % 2
        confidence = plain + STEPS[self.name][case] if arm == LATENT_SHIFT else plain
        self.served.answers[self.name, case, arm] = (confidence, 1 + case % 5)
        return confidence, 1 + case % 5
