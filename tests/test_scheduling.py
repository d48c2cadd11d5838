"""In what order, and where, the test processes get their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from tests.scheduling import LONGEST_FIRST, LongestFirst

ROOT = Path(__file__).resolve().parents[1]
MANY = [f"tests/core/test_many.py::test_{number}" for number in range(9)]
FEW = ["tests/core/test_few.py::test_one"]
LONG = [f"{file}::test_{number}" for file in LONGEST_FIRST[1:3] for number in range(3)]
STACK = [f"tests/{file}::test_one" for file in ("browser/test_a.py", "stack/test_b.py", "stack/test_c.py")]


class Process:
    """A test process that runs whatever it is sent."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run(collected: list[str], processes: int) -> list[list[str]]:
    """What each of the processes runs, in its order, where every test takes as long as another."""
    asked = SimpleNamespace(loadscopereorder=True)
    scheduler = LongestFirst(SimpleNamespace(option=asked, getvalue=lambda name: [f"{processes}*popen"]))
    nodes = [Process(f"gw{number}") for number in range(processes)]
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, collected)
    scheduler.schedule()
    for turn in range(len(collected)):
        for node in nodes:
            if turn < len(node.sent):
                scheduler.mark_test_complete(node, node.sent[turn])
    assert scheduler.tests_finished
    return [[collected[index] for index in node.sent] for node in nodes]


def test_what_takes_longest_begins_first_and_then_what_is_most() -> None:
    (order,) = run([*FEW, *MANY, *LONG, *STACK], 1)
    assert order == [*STACK, *LONG, *MANY, *FEW]


def test_one_process_has_all_that_share_a_service_and_every_test_runs_once() -> None:
    first, second = run([*FEW, *MANY, *LONG, *STACK], 2)
    assert [test for test in first if test in STACK] == STACK
    assert second[:3] == LONG[:3]
    assert sorted([*first, *second]) == sorted([*FEW, *MANY, *LONG, *STACK])


def test_every_file_that_is_named_is_there() -> None:
    assert [file for file in LONGEST_FIRST if not (ROOT / file).exists()] == []
