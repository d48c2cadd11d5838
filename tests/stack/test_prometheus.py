"""A real Prometheus, with the configuration that is delivered, scrapes the running stack: every query has an answer."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import start_http_server

from cxrshift.pacs.bridge.metrics import BridgeMetrics
from cxrshift.pacs.bridge.spool import Spool
from cxrshift.serving.processes import ChildProcess, free_ports
from cxrshift.serving.stack import Stack
from tests.deploy.queries import RULES, Query, alert_queries, panel_queries, recorded_queries
from tests.gateway.infer_requests import file_input
from tests.gateway.samples import npy_image

PATIENCE = 90.0
"""Seconds."""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def values(self, query: str) -> list[float]:
        """What a query gives now."""
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=10) as answer:
            result = json.loads(answer.read())["data"]["result"]
        return [float(each["value"][1]) for each in result]

    def rules(self) -> list[dict[str, Any]]:
        """The rules with what became of their last evaluation."""
        with urllib.request.urlopen(f"{self.url}/api/v1/rules", timeout=10) as answer:
            return [rule for group in json.loads(answer.read())["data"]["groups"] for rule in group["rules"]]

    def has_answer(self, query: Query) -> bool:
        return any(not math.isnan(value) for value in self.values(query.text))


@dataclass(frozen=True)
class Bridge:
    """The bridge's metrics, served as the bridge serves them."""

    metrics: BridgeMetrics
    port: int

    def work(self) -> None:
        self.metrics.received("dimse", "new")
        self.metrics.explained("done")
        self.metrics.delivered("archive", "done")
        self.metrics.finished(3.0)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    with Spool(tmp_path_factory.mktemp("bridge") / "spool") as spool:
        metrics = BridgeMetrics(spool, ("archive",))
        server, thread = start_http_server(0, "127.0.0.1", metrics.registry)
        yield Bridge(metrics, int(server.server_port))
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(stack: Stack, bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not here; on Debian: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((RULES / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}  # the test's only changes: time and place
    places = {"cxrshift-gateway": str(stack.gateway.ports.metrics), "cxrshift-bridge": str(bridge.port)}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{places[job['job_name']]}"]}]
    config["rule_files"] = [str(RULES / file) for file in config["rule_files"]]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    [port] = free_ports(1)
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with ExitStack() as exits:
        process = ChildProcess("Prometheus", command, environment=os.environ, log=folder / "prometheus.log")
        exits.callback(process.stop, grace=10.0)
        yield _when_ready(Prometheus(f"http://127.0.0.1:{port}"), process)


def _when_ready(prometheus: Prometheus, process: ChildProcess) -> Prometheus:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        process.check_running()
        try:
            if len(prometheus.values("up == 1")) == 2:
                return prometheus
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("Prometheus did not find the stack")


def _ask_everything(client: httpx.Client, bridge: Bridge) -> None:
    """One call of every kind, among them some that fail."""
    options: dict[str, str | int] = {"profile": "fixed", "lambda_min": -1, "frames": 3, "saliency": "input-gradient"}
    assert client.post("/v1/explain", params=options, content=npy_image()).status_code == 200
    assert client.post("/v1/explain", params={"frames": 1000}, content=npy_image()).status_code == 400
    assert client.post("/v1/classify", content=npy_image()).status_code == 200
    infer = {"inputs": [file_input()], "parameters": {"frames": 3}, "outputs": [{"name": "explanation"}]}
    answer = client.post("/v2/models/phantom/infer", json=infer)
    assert answer.status_code == 200, answer.text
    bridge.work()


def _poll(done: Callable[[], bool], step: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        step()
        time.sleep(0.5)


def test_every_panel_alert_and_rule_has_data_of_the_running_stack(
    stack: Stack, prometheus: Prometheus, bridge: Bridge
) -> None:
    silent = [*recorded_queries(), *panel_queries(), *alert_queries()]
    assert len(silent) > 80

    def all_answer() -> bool:
        silent[:] = [query for query in silent if not prometheus.has_answer(query)]
        return not silent

    with httpx.Client(base_url=stack.rest_url, timeout=30) as client:
        _poll(all_answer, lambda: _ask_everything(client, bridge))
    assert [query.place for query in silent] == []
    told = prometheus.rules()
    assert {rule["health"] for rule in told} == {"ok"}
    firing = {rule["name"] for rule in told if rule["type"] == "alerting" and rule["state"] == "firing"}
    # A stack that is well gives no alarm; that it is slow may be the fault of what else runs on this machine.
    assert {name for name in firing if "Slow" not in name} == set()
    assert prometheus.values("cxrshift_ready") == [1.0]
