"""docs/metrics.md names every metric and label that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from cxrshift.gateway.metrics import Operation
from cxrshift_api.types import ProblemCode, StopReason
from tests.deploy.registries import exposed, filled_bridge, filled_gateway, open_spool

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/metrics.md").read_text("utf-8")


def told(section: str) -> dict[str, frozenset[str]]:
    text = DOCUMENT.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", text, re.MULTILINE)
    return {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def test_the_document_tells_every_metric_of_the_gateway() -> None:
    assert told("The gateway") == dict(exposed(filled_gateway()))


def test_the_document_tells_every_metric_of_the_bridge(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        assert told("The bridge") == dict(exposed(filled_bridge(spool)))


@pytest.mark.parametrize("value", [*ProblemCode, *StopReason, *get_args(Operation)])
def test_the_document_tells_every_value_of_a_label(value: str) -> None:
    assert f"`{value}`" in DOCUMENT
