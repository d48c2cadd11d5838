"""The fenced blocks of the pages, each with the marks that stand above it.

A mark is an HTML comment on a line of its own right above the fence, which no reader sees:

    <!-- runs: no; needs docker -->       a shell or Python block that no test runs, and why; it is checked all the same
    <!-- runs: in the background -->      a command that serves: started, waited for until it says "ready", and stopped
                                          after the page's last block
    <!-- runs: in small -->               takes minutes or hours: run by ``make test-docs``, with smaller numbers and
                                          on a few phantoms (in_small.py); may be in the background, too
    <!-- runs: with an archive -->        speaks to archive.example, for which an Orthanc stands
    <!-- runs: in an environment of its own -->   installs: ``make test-docs`` runs it and all of its page in an
                                          environment with nothing else in it
    <!-- file: bridge.toml -->            the block is this file's content, for the blocks below it; read with the
                                          settings class of a file of that name, where there is one
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNNABLE = ("sh", "python")
IN_BACKGROUND = "in the background"
IN_SMALL = "in small"
WITH_ARCHIVE = "with an archive"
IN_OWN_ENVIRONMENT = "in an environment of its own"
APART = frozenset({IN_SMALL, WITH_ARCHIVE, IN_OWN_ENVIRONMENT})
"""Ways that have a test of their own; what goes none of them runs with its page."""
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)")
_MARK = re.compile(r"^ *<!-- *(?P<key>runs|file): *(?P<value>.+?) *-->$")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language, its text without the page's indentation, and its marks."""

    page: Path
    line: int
    language: str
    text: str
    marks: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where it stands, as ``docs/page.md:17``."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def why_not(self) -> str:
        """Why no test runs it; empty where one does."""
        runs, _, why = self.marks.get("runs", "").partition(";")
        return why.strip() if runs == "no" else ""

    @property
    def ways(self) -> tuple[str, ...]:
        """How it runs, where that is another way than as it stands and to its end."""
        runs = self.marks.get("runs", "")
        return () if self.why_not or not runs else tuple(way.strip() for way in runs.split(","))

    @property
    def is_run(self) -> bool:
        """Whether a test runs it with its page, each time."""
        return self.language in RUNNABLE and not self.why_not and APART.isdisjoint(self.ways)


def pages() -> list[Path]:
    """Every page that people read: the README, the site's, and the cards of the models that come along."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("model_store/*/README.md"))]


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [block for page in pages() for block in blocks_of(page)]


def blocks_of(page: Path) -> Iterator[Block]:
    """The page's blocks, from top to bottom."""
    lines = page.read_text("utf-8").splitlines()
    marks: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if mark := _MARK.match(line):
            marks[mark["key"]] = mark["value"]
        elif opened := _FENCE.match(line):
            body, begins = [], number
            while number < len(lines) and lines[number].strip() != opened["fence"]:
                body.append(lines[number][len(opened["indent"]) :])
                number += 1
            number += 1
            yield Block(page, begins, opened["language"], "\n".join(body) + "\n", marks)
            marks = {}
        elif line.strip():
            marks = {}
