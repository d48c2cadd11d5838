"""The queries of the dashboard and the rules, as a plain Prometheus takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus"
_COMPARISON = re.compile(r"\s*(?:==|!=|>=|<=|>|<)\s*[\d.]+(?=[\s)]|$)")


@dataclass(frozen=True)
class Query:
    """A query and where it stands."""

    place: str
    text: str


def groups(file: str) -> list[dict[str, Any]]:
    """The groups of a rule file."""
    loaded: list[dict[str, Any]] = yaml.safe_load((RULES / file).read_text("utf-8"))["groups"]
    return loaded


def rules(file: str) -> list[dict[str, Any]]:
    """All rules of a file."""
    return [rule for group in groups(file) for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels."""
    loaded: list[dict[str, Any]] = json.loads((DEPLOY / "grafana/cxrshift.json").read_text("utf-8"))["panels"]
    return loaded


def panel_queries() -> Iterator[Query]:
    """Every panel's queries, with the values that Grafana would put in place of its variables."""
    for panel in panels():
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".+")
            yield Query(f"panel {panel['title']} {target['refId']}", text)


def alert_queries() -> Iterator[Query]:
    """Every alert's expression without its comparisons with a number: what it looks at, not whether it is too much."""
    for rule in rules("alerts.yml"):
        yield Query(f"alert {rule['alert']}", _COMPARISON.sub("", rule["expr"]))


def recorded_queries() -> Iterator[Query]:
    """Every recorded series by its name."""
    for rule in rules("recording.yml"):
        yield Query(f"record {rule['record']}", rule["record"])
