"""Containers told to stop under load: routed as Kubernetes routes, no caller notices."""

from __future__ import annotations

import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Literal

from cxrshift.serving.probe import page_answers
from cxrshift.serving.processes import free_ports
from cxrshift_client import Client
from cxrshift_client.errors import ExplainerError
from cxrshift_client.settings import Retry
from tests.deploy.containers import Container
from tests.deploy.image_parts import (
    FINDING,
    NEEDS_IMAGE,
    NOTICED_WITHIN,
    Front,
    make_image,
    start_gateway,
    start_torchserve,
)

pytestmark = NEEDS_IMAGE

Protocol = Literal["rest", "grpc"]
PROTOCOLS: tuple[Protocol, ...] = ("rest", "grpc")
LOAD_SECONDS, CALLERS = 12.0, 4

logger = logging.getLogger("tests.deploy")


class Balancer:
    """Sends calls to the first gateway that was ready when it last looked, twice a second, as Kubernetes does."""

    def __init__(self, *fronts: Front) -> None:
        self._fronts = fronts
        self._stop = Event()
        self.chosen = 0

    def watch(self) -> None:
        while not self._stop.wait(0.5):
            ready = [not page_answers(f"{front.operator}/readyz", seconds=3.0) for front in self._fronts]
            self.chosen = ready.index(True) if any(ready) else 0

    def call(self, protocol: Protocol) -> Counter[str]:
        """Explain in a loop, each call once and never again. What came of the calls."""
        image, told = make_image(), Counter[str]()
        with ExitStack() as exits:
            addresses = [front.rest if protocol == "rest" else front.grpc for front in self._fronts]
            clients = [exits.enter_context(Client(each, retry=Retry(attempts=1))) for each in addresses]
            while not self._stop.is_set():
                try:
                    clients[self.chosen].explain(image, findings=(FINDING,), frames=5)
                    told["explained"] += 1
                except ExplainerError as error:
                    told[str(error)] += 1
        return told

    def stop(self) -> None:
        self._stop.set()


def stop_under_load(balancer: Balancer, container: Container) -> tuple[Counter[str], int, float]:
    """What became of the calls, the exit code of what was told to stop amid them, and the seconds that it took."""
    with ThreadPoolExecutor(CALLERS + 1) as threads:
        threads.submit(balancer.watch)
        calls = [threads.submit(balancer.call, protocol) for protocol in PROTOCOLS * (CALLERS // 2)]
        try:
            time.sleep(LOAD_SECONDS / 3)
            container.ask_to_stop()
            asked = time.monotonic()
            code = container.wait(60)
            ended = time.monotonic() - asked
            time.sleep(LOAD_SECONDS / 3)
        finally:
            balancer.stop()
        told = sum((call.result() for call in calls), Counter[str]())
    logger.info("%s; it ended %.1f s after SIGTERM", dict(told), ended)
    return told, code, ended


def test_a_gateway_told_to_stop_under_load_costs_no_caller_an_answer(fronts: tuple[Front, Front]) -> None:
    balancer = Balancer(*fronts)
    told, code, ended = stop_under_load(balancer, fronts[0].container)
    assert code == 0, fronts[0].container.log.read_text()[-2000:]
    assert ended >= NOTICED_WITHIN
    assert balancer.chosen == 1
    assert set(told) == {"explained"}
    assert told["explained"] >= CALLERS * 3


def test_one_of_two_torchserves_told_to_stop_under_load_costs_no_caller_an_answer(logs: Path) -> None:
    rest, grpc = free_ports(2)
    hosts = ("127.0.0.1", "127.0.0.2")
    with ExitStack() as exits:
        workers = [
            exits.enter_context(start_torchserve(logs / f"torchserve-{host}", host=host, rest=rest, grpc=grpc))
            for host in hosts
        ]
        upstream = f"ipv4:{hosts[0]}:{grpc},{hosts[1]}:{grpc}"
        front = exits.enter_context(start_gateway(upstream, logs / "before-two"))
        front.container.wait_until("python", "-m", "cxrshift.serving.probe", f"{front.operator}/readyz")
        told, code, _ = stop_under_load(Balancer(front), workers[0])
    assert code == 0  # Java's 143, which tini knows for no failure
    assert set(told) == {"explained"}
    assert told["explained"] >= CALLERS * 3
