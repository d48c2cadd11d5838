"""Rules, alerts and dashboard without a server: they speak of metrics that there are, and promtool approves."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.queries import (
    DEPLOY,
    RULES,
    Query,
    alert_queries,
    panel_queries,
    panels,
    recorded_queries,
    rules,
)
from tests.deploy.registries import filled_bridge, filled_gateway, open_spool, series

DOCS = DEPLOY.parent / "docs"
FROM_PROMETHEUS = {"up": frozenset({"job", "instance"})}
ADDED = {"job", "instance", "__name__"}
"""Labels that Prometheus adds to what it scrapes."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, frozenset[str]]:
    """Every series that may be asked for, with its labels."""
    with open_spool(tmp_path_factory.mktemp("spool")) as spool:
        exposed = {**series(filled_gateway()), **series(filled_bridge(spool))}
    return {**exposed, **FROM_PROMETHEUS, **{query.text: frozenset() for query in recorded_queries()}}


def asked() -> list[Query]:
    recorded = [Query(f"rule {rule['record']}", rule["expr"]) for rule in rules("recording.yml")]
    return [*panel_queries(), *alert_queries(), *recorded]


@pytest.mark.parametrize("query", asked(), ids=lambda query: query.place)
def test_a_query_asks_for_series_and_labels_that_there_are(query: Query, known: dict[str, frozenset[str]]) -> None:
    found = re.findall(r"\b((?:cxrshift|process)[\w:]*|up)\b(?:\{([^}]*)\})?", query.text)
    assert found
    for name, selectors in found:
        assert name in known, name
        used = set(re.findall(r"(\w+)\s*[=!]~?\"", selectors))
        assert used <= known[name] | ADDED, (name, used)


def test_the_bounds_of_the_objectives_are_bounds_of_the_histogram() -> None:
    bounds = {float(le) for rule in rules("recording.yml") for le in re.findall(r'le="([\d.]+)"', rule["expr"])}
    assert bounds == {1.0, 2.5}
    samples = [sample for family in filled_gateway().collect() for sample in family.samples]
    there = {float(s.labels["le"]) for s in samples if s.name == "cxrshift_request_seconds_bucket"}
    assert bounds <= there


@pytest.mark.parametrize("rule", rules("alerts.yml"), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_leads_to_a_section_of_the_runbook(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    file, _, anchor = rule["annotations"]["runbook_url"].removeprefix("docs/").partition("#")
    assert re.search(rf"^## {anchor}$", (DOCS / file).read_text("utf-8"), re.MULTILINE)


def test_every_alert_has_a_unit_test_in_which_it_fires() -> None:
    text = (RULES / "tests.yml").read_text("utf-8")
    fired = set(re.findall(r"alertname: (\w+)(?:\s*#.*)?\n\s+eval_time: \w+\n\s+exp_alerts:\n\s+- exp_labels", text))
    assert fired == {rule["alert"] for rule in rules("alerts.yml")}


def test_every_panel_says_what_it_shows_and_asks_the_datasource_that_is_chosen() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert len(shown) > 25
    for panel in shown:
        assert panel["description"], panel["title"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.parametrize(
    "command",
    ["check config prometheus.yml", "check rules recording.yml alerts.yml", "test rules tests.yml"],
)
def test_promtool_approves(command: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here; on Debian: apt-get install prometheus")
    made = subprocess.run([promtool, *command.split()], cwd=RULES, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr


def test_the_rules_mention_no_machine_of_anyones() -> None:
    for file in (*RULES.iterdir(), *Path(DEPLOY / "grafana").iterdir()):
        assert "localhost" not in file.read_text("utf-8")
