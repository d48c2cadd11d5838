"""The reference pages of the documents name what there is, and all that the packages offer."""

from __future__ import annotations

import re

import pytest

from .names import ROOT, Code, offered

PAGES = sorted((ROOT / "docs/reference").glob("*.md"))
PACKAGES = ("cxrshift", "cxrshift_client")
DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def told() -> list[str]:
    """Every name that a page has a place for."""
    return [name for page in PAGES for name in DIRECTIVE.findall(page.read_text("utf-8"))]


def test_the_pages_name_public_names_alone_and_each_once(code: Code, told: list[str]) -> None:
    public = {str(name) for name in code.public}
    public |= {f"{package}.{name}" for package in PACKAGES for name in offered(code.modules[package])}
    assert told
    assert sorted(set(told)) == sorted(told)
    assert set(told) <= public


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_offers_is_on_a_page(code: Code, told: list[str], package: str) -> None:
    assert set(offered(code.modules[package])) - {"__version__"} <= {name.rpartition(".")[2] for name in told}
