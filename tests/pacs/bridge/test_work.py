"""What becomes of a radiograph when the service, the archive or the disk is in trouble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cxrshift.pacs.bridge.bridge import _Dispatcher
from cxrshift.pacs.bridge.destinations import DeliveryFailed, DeliveryRefused
from cxrshift.pacs.bridge.settings import BridgeSettings
from cxrshift.pacs.bridge.spool_records import Job, State
from cxrshift.pacs.bridge.spool_view import look_into
from cxrshift.pacs.bridge.work import Work
from cxrshift_api.types import ExplainReply, ExplainRequest, Explanation, Problem, ProblemCode
from cxrshift_client import Client, MockTransport, Retry
from tests.pacs.bridge.conftest import Desk
from tests.pacs.bridge.examples import make_arrival, make_settings, wait_until
from tests.render.examples import make_explanation


class Service:
    """A service that gives one explanation, or one problem, whatever it is asked."""

    def __init__(self, answer: Explanation | Problem) -> None:
        self.answer = answer
        self.asked: list[ExplainRequest] = []

    def __call__(self, request: ExplainRequest) -> ExplainReply | Problem:
        self.asked.append(request)
        return self.answer if isinstance(self.answer, Problem) else ExplainReply((self.answer,), request.request_id)


class Archive:
    """A sender that does as it is told."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.got: list[Sequence[bytes]] = []

    def send(self, files: Sequence[bytes]) -> None:
        if self.problem:
            raise self.problem
        self.got.append(files)


def make_work(
    desk: Desk, service: Service, archive: Archive, settings: BridgeSettings | None = None, **more: Any
) -> Work:
    client = Client(transport=MockTransport(service), retry=Retry(attempts=1))
    return Work(settings or desk.settings, desk.spool, client, {"archive": archive}, desk.metrics, desk.audit, **more)


def receive(desk: Desk, **attributes: Any) -> Job:
    desk.spool.receive(make_arrival(**attributes), "films")
    return desk.spool.due(1)[0]


def test_a_radiograph_is_explained_as_its_rule_says_and_delivered(desk: Desk, tmp_path: Path) -> None:
    service, archive = Service(make_explanation()), Archive()
    rule = {
        "name": "films",
        "model": "m",
        "findings": ["Mass"],
        "frames": 5,
        "objects": ["report"],
        "send_to": ["archive"],
    }
    work = make_work(desk, service, archive, make_settings(tmp_path, rules=[rule]))
    job = receive(desk)
    work.explain(job)
    [asked] = service.asked
    assert (asked.model, asked.options.findings, asked.options.frames) == ("m", ("Mass",), 5)
    assert asked.request_id == job.digest[:32]
    work.deliver(desk.spool.due_deliveries(1)[0])
    assert [len(files) for files in archive.got] == [1]
    assert desk.spool.count(State.DONE) == 1
    assert desk.metrics.registry.get_sample_value("cxrshift_pacs_turnaround_seconds_count") == 1


@pytest.mark.parametrize("code", [ProblemCode.OVERLOADED, ProblemCode.UNAVAILABLE, ProblemCode.DEADLINE])
def test_what_will_pass_is_tried_again_until_it_is_too_late(desk: Desk, code: ProblemCode) -> None:
    now = [0.0]
    work = make_work(desk, Service(Problem(code, "Come back later.", 1.5)), Archive(), clock=lambda: now[0])
    job = receive(desk)
    now[0] = job.received_at + 10.0
    for _ in range(20):
        work.explain(job)
    assert desk.spool.count(State.WAITING) == 1
    assert desk.spool.due(1) == []  # not before the 1.5 s that the service asked for
    now[0] = job.received_at + desk.settings.spool.give_up_after + 1.0
    work.explain(job)
    [dead] = look_into(desk.settings.spool.folder).troubled
    assert (dead.state, dead.reason) == (State.DEAD, "Come back later.")


def test_a_fault_is_borne_a_few_times(desk: Desk) -> None:
    work = make_work(desk, Service(Problem(ProblemCode.INTERNAL, "It failed.")), Archive())
    job = receive(desk)
    for attempts in range(4):
        work.explain(replace(job, attempts=attempts))
        assert desk.spool.count(State.WAITING) == 1
    work.explain(replace(job, attempts=4))
    assert desk.spool.count(State.DEAD) == 1


@pytest.mark.parametrize(
    "code",
    [ProblemCode.UNSUPPORTED_IMAGE, ProblemCode.UNKNOWN_FINDING, ProblemCode.UNKNOWN_MODEL, ProblemCode.TOO_LARGE],
)
def test_what_will_not_pass_is_given_up_at_once(desk: Desk, code: ProblemCode) -> None:
    make_work(desk, Service(Problem(code, "No.")), Archive()).explain(receive(desk))
    assert desk.spool.count(State.DEAD) == 1
    assert 'EventOutcomeIndicator="8"' in desk.audited()


def test_a_rule_that_is_gone_leaves_a_dead_letter(desk: Desk, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, rules=[{"name": "others", "send_to": ["archive"]}])
    make_work(desk, Service(make_explanation()), Archive(), settings).explain(receive(desk))
    [dead] = look_into(desk.settings.spool.folder).troubled
    assert dead.reason == "The rule that wanted it is no longer in the settings."


@pytest.mark.parametrize("unsuitable", ["warn", "reject"])
def test_a_stranger_is_rejected_where_the_rule_says_so(desk: Desk, tmp_path: Path, unsuitable: str) -> None:
    explanation = make_explanation()
    stranger = replace(explanation, quality=replace(explanation.quality, distance=1.2))
    settings = make_settings(tmp_path, rules=[{"name": "films", "send_to": ["archive"], "unsuitable": unsuitable}])
    make_work(desk, Service(stranger), Archive(), settings).explain(receive(desk))
    assert desk.spool.count(State.IGNORED if unsuitable == "reject" else State.EXPLAINED) == 1


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (DeliveryFailed("down"), State.EXPLAINED),
        (DeliveryRefused("no"), State.DEAD),
        (RuntimeError("a fault"), State.EXPLAINED),
    ],
)
def test_an_archives_answer_decides(desk: Desk, problem: Exception, state: State) -> None:
    work = make_work(desk, Service(make_explanation()), Archive(problem))
    work.explain(receive(desk))
    work.deliver(desk.spool.due_deliveries(1)[0])
    assert desk.spool.count(state) == 1
    [troubled] = look_into(desk.settings.spool.folder).troubled
    assert "a fault" not in troubled.reason


def test_a_destination_that_is_gone_leaves_a_dead_letter(desk: Desk) -> None:
    work = make_work(desk, Service(make_explanation()), Archive())
    work.explain(receive(desk))
    work._senders = {}
    work.deliver(desk.spool.due_deliveries(1)[0])
    [dead] = look_into(desk.settings.spool.folder).troubled
    assert dead.reason == "archive is no longer among the destinations."


def test_a_full_disk_is_held_against_no_radiograph(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    job = receive(desk)
    work = make_work(desk, Service(make_explanation()), Archive())
    with monkeypatch.context() as patch:
        patch.setattr(desk.spool, "keep_results", full)
        for attempts in range(20):
            work.explain(replace(job, attempts=attempts))
    assert desk.spool.count(State.WAITING) == 1
    work.explain(job)
    assert desk.spool.count(State.EXPLAINED) == 1


def test_a_full_disk_costs_time_and_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxrshift.pacs.bridge.bridge._BREATHER_SECONDS", 0.05)
    full = [True]
    keep: Callable[..., None] = desk.spool.keep_results
    postpone: Callable[..., None] = desk.spool.postpone

    def unless_full(step: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            if full[0]:
                raise OSError(28, "No space left on device")
            step(*arguments)

        return run

    monkeypatch.setattr(desk.spool, "keep_results", unless_full(keep))
    monkeypatch.setattr(desk.spool, "postpone", unless_full(postpone))
    service, archive = Service(make_explanation()), Archive()
    receive(desk)
    with _Dispatcher(desk.settings, desk.spool, make_work(desk, service, archive)) as dispatcher:
        dispatcher.wake()
        wait_until(lambda: len(service.asked) >= 3)
        assert desk.spool.count(State.WAITING) == 1
        full[0] = False
        wait_until(lambda: len(archive.got) == 1)
    assert desk.spool.count(State.DONE) == 1
