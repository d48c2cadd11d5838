"""The site, built as ``make docs`` builds it: no link into nothing, nothing fetched from elsewhere, no formula lost."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.blocks import ROOT, blocks_of, pages

NOT_LINKED: Final = {"404.html"}
FETCHED: Final = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""What a browser fetches of itself, and by which attribute; what a reader clicks on is another matter."""


@dataclass
class Page(HTMLParser):
    """A built page: where one can be sent on it, where it sends one, and what it fetches."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    formulas: int = 0
    texts: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.formulas += tag == "math"
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") != "canonical":
            self.fetched.append(given[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; a warning of any kind ends the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command, cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def read(site: Path) -> Mapping[Path, Page]:
    found = {}
    for file in sorted(site.rglob("*.html")):
        found[file] = Page()
        found[file].feed(file.read_text("utf-8"))
    return found


def test_every_page_of_the_docs_is_in_the_site(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file(), page


def test_every_link_leads_to_a_page_and_an_anchor_that_exist(site: Path, read: Mapping[Path, Page]) -> None:
    lost = []
    for file, page in read.items():
        for link in page.links if file.name not in NOT_LINKED else ():
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            fragment = unquote(parts.fragment)
            anchored = not fragment or target not in read or fragment in read[target].anchors
            if not target.is_file() or not anchored:
                lost.append(f"{file.relative_to(site)}: {link}")
    assert not lost, "\n".join(lost)
    assert sum(len(page.links) for page in read.values()) > 300


def test_a_page_fetches_nothing_from_elsewhere(site: Path, read: Mapping[Path, Page]) -> None:
    for file, page in read.items():
        for address in page.fetched:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data"), f"{file.relative_to(site)} fetches {address}"
            assert not parts.netloc, f"{file.relative_to(site)} fetches {address}"
        assert "mermaid" not in file.read_text("utf-8"), "its script would come from elsewhere"
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", sheet.read_text("utf-8")):
            assert not re.match(r"(https?:)?//", "".join(address)), f"{sheet.name} fetches {address}"


def test_the_formulas_are_set(site: Path, read: Mapping[Path, Page]) -> None:
    assert read[site / "method.html"].formulas > 40
    source = re.sub(
        r"<(code|pre|script|style)\b.*?</\1>", "", (site / "method.html").read_text("utf-8"), flags=re.DOTALL
    )
    assert "$" not in source, "a formula was left as it was written"


@pytest.mark.parametrize("document", pages(), ids=lambda document: str(document.relative_to(ROOT)))
def test_what_is_code_stands_between_fences(document: Path) -> None:
    """Else it would be a block that no other test sees."""
    text = document.read_text("utf-8")
    for block in blocks_of(document):
        text = text.replace(block.text, "")
    assert not re.search(r"\n\n {4,}(cxrshift|curl|make|python|import|from|pip|docker) ", text)


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda document: document.name)
def test_links_of_the_readme_and_the_changelog_lead_to_files_and_headings(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", document.read_text("utf-8")):
        parts = urlsplit("".join(link))
        if parts.scheme:
            continue
        target = document.parent / parts.path
        assert target.exists(), f"{document.name}: {parts.path}"
        if parts.fragment:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert parts.fragment in {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_pictures_are_small_enough_for_a_page() -> None:
    for picture in (ROOT / "docs").rglob("*"):
        if picture.suffix in (".png", ".webp", ".woff2"):
            assert picture.stat().st_size <= 300_000, picture
