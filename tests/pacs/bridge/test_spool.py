"""The spool: what was received is never lost nor done twice, whichever moment the process ends at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrshift.pacs.bridge.spool import Spool
from cxrshift.pacs.bridge.spool_records import SpoolError, State
from cxrshift.pacs.bridge.spool_view import look_into, revive
from tests.pacs.bridge.examples import CALLER, Clock, make_arrival

FILES = [b"first", b"second"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    with Spool(tmp_path, clock=clock) as opened:
        yield opened


def files_in(folder: Path) -> list[str]:
    names = ("sources", "results", "dead", "partial")
    return sorted(str(p.relative_to(folder)) for name in names for p in (folder / name).rglob("*") if p.is_file())


def test_a_radiograph_waits_is_explained_and_done(spool: Spool, tmp_path: Path) -> None:
    arrival = make_arrival()
    assert spool.receive(arrival, "films")
    [job] = spool.due(10)
    assert (job.digest, job.caller, job.rule, job.state) == (arrival.digest, CALLER, "films", State.WAITING)
    assert spool.source(job) == arrival.content

    spool.keep_results(job, FILES, ["one", "two"])
    assert spool.due(10) == []
    deliveries = spool.due_deliveries(10)
    assert [d.destination for d in deliveries] == ["one", "two"]
    assert spool.results(job) == FILES

    assert spool.settle(deliveries[0]) is State.EXPLAINED
    assert spool.settle(deliveries[1]) is State.DONE
    assert spool.due_deliveries(10) == []
    assert files_in(tmp_path) == []


def test_what_was_received_before_is_not_explained_again(spool: Spool) -> None:
    arrival = make_arrival()
    assert [spool.receive(arrival, "films") for _ in range(2)] == [True, False]
    [job] = spool.due(10)
    spool.keep_results(job, FILES, ["one"])
    assert not spool.receive(arrival, "films")
    spool.settle(spool.due_deliveries(1)[0])
    assert not spool.receive(arrival, "films")
    assert spool.due(10) == []


def test_what_failed_waits_for_its_time(spool: Spool, clock: Clock) -> None:
    spool.receive(make_arrival(), "films")
    [job] = spool.due(10)
    spool.postpone(job, "busy", 30.0)
    assert spool.due(10) == []
    clock.now += 30.0
    [again] = spool.due(10)
    assert (again.attempts, again.reason) == (1, "busy")

    spool.keep_results(again, FILES, ["one"])
    [delivery] = spool.due_deliveries(10)
    spool.postpone_delivery(delivery, "down", 30.0)
    assert spool.due_deliveries(10) == []
    clock.now += 30.0
    assert [d.attempts for d in spool.due_deliveries(10)] == [1]


def test_one_archives_refusal_does_not_cost_the_other_its_results(spool: Spool, tmp_path: Path) -> None:
    spool.receive(make_arrival(), "films")
    [job] = spool.due(10)
    spool.keep_results(job, FILES, ["one", "two"])
    one, two = spool.due_deliveries(10)
    assert spool.settle(one, "one: refused") is State.EXPLAINED
    assert [d.destination for d in spool.due_deliveries(10)] == ["two"]
    assert spool.settle(two) is State.DEAD
    assert files_in(tmp_path) == [f"dead/{job.digest}.dcm", f"dead/{job.digest}.json"]


def test_a_dead_letter_holds_the_file_and_the_reason_and_can_be_put_back(spool: Spool, tmp_path: Path) -> None:
    arrival = make_arrival()
    spool.receive(arrival, "films")
    [job] = spool.due(10)
    spool.bury(job, "It cannot be read.")
    letter = tmp_path / f"dead/{job.digest}.dcm"
    assert letter.read_bytes() == arrival.content
    story = json.loads(letter.with_suffix(".json").read_text())
    assert story["reason"] == "It cannot be read."
    assert (story["sop_instance_uid"], story["caller"], story["rule"]) == ("1.2.3.1", CALLER, "films")
    assert story["received"] == "1970-01-12T13:46:40+00:00"

    assert revive(tmp_path, "no such") == 0
    assert revive(tmp_path, job.digest[:8]) == 1
    assert files_in(tmp_path) == [f"sources/{job.digest}.dcm"]
    [back] = spool.due(10)
    assert (back.attempts, back.reason) == (0, "")


def test_what_died_has_another_chance_when_it_is_sent_again(spool: Spool, tmp_path: Path) -> None:
    arrival = make_arrival()
    spool.receive(arrival, "films")
    spool.bury(spool.due(1)[0], "gone wrong")
    assert spool.receive(arrival, "films")
    assert len(spool.due(10)) == 1
    assert files_in(tmp_path) == [f"sources/{arrival.digest}.dcm"]


def test_what_cannot_be_read_is_a_dead_letter_that_stays(spool: Spool, tmp_path: Path) -> None:
    spool.refuse(b"no DICOM", CALLER, "The bytes are no DICOM file.")
    assert spool.count(State.DEAD) == 1
    assert revive(tmp_path) == 0
    assert len(files_in(tmp_path)) == 2


def test_what_no_rule_wants_leaves_a_row_alone_and_may_be_wanted_later(spool: Spool, tmp_path: Path) -> None:
    arrival = make_arrival()
    spool.ignore(arrival, "No rule wants it.")
    assert files_in(tmp_path) == []
    assert spool.count(State.IGNORED) == 1
    assert spool.receive(arrival, "films")
    spool.ignore(arrival, "No rule wants it.")
    assert spool.count(State.WAITING) == 1


def test_the_finished_are_forgotten_and_the_dead_are_not(spool: Spool, clock: Clock) -> None:
    for number in range(3):
        spool.receive(make_arrival(number), "films")
    done, dead, _ = spool.due(10)
    spool.keep_results(done, FILES, ["one"])
    spool.settle(spool.due_deliveries(1)[0])
    spool.bury(dead, "gone wrong")
    assert spool.forget(clock.now) == 0
    assert spool.forget(clock.now + 1.0) == 1
    assert (spool.count(State.DONE), spool.count(State.DEAD), spool.count(State.WAITING)) == (0, 1, 1)


def test_a_new_start_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        for number in range(3):
            spool.receive(make_arrival(number), "films")
        first, second, _ = spool.due(10)
        spool.keep_results(first, FILES, ["one"])
        spool.keep_results(second, FILES, ["one"])
        # The process ends between the last delivery's row and the radiograph's own.
        spool._change_delivery(spool.due_deliveries(10)[1], state=State.DONE)
    leftovers = (
        "sources/ab.dcm",
        "results/ab/0000.dcm",
        "dead/ab.dcm",
        "dead/ab.json",
        "partial/ab/0000.dcm",
        "partial/7",
    )
    for name in leftovers:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cut sho")
    with Spool(tmp_path) as spool:
        assert [d.job.digest for d in spool.due_deliveries(10)] == [first.digest]
        assert spool.results(first) == FILES
        assert spool.count(State.DONE) == 1
        assert len(spool.due(10)) == 1
    assert not any("ab" in name or "partial" in name for name in files_in(tmp_path))


def test_two_bridges_cannot_share_a_spool(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="another bridge works in this spool"), Spool(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"file/spool: .*the spool needs a folder"), Spool(tmp_path / "file/spool"):
        pass


def test_the_overview_tells_what_a_person_wants_to_know(spool: Spool, tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(SpoolError, match="there is no spool here"):
        look_into(tmp_path / "elsewhere")
    for number in range(4):
        clock.now += 1.0
        spool.receive(make_arrival(number), "films")
    jobs = spool.due(10)
    spool.keep_results(jobs[0], FILES, ["one", "two"])
    spool.postpone_delivery(spool.due_deliveries(1)[0], "one: down", 5.0)
    spool.bury(jobs[1], "gone wrong")
    spool.postpone(jobs[2], "busy", 5.0)
    overview = look_into(tmp_path)
    assert overview.counts == {State.WAITING: 2, State.EXPLAINED: 1, State.DONE: 0, State.IGNORED: 0, State.DEAD: 1}
    assert overview.undelivered == {"one": 1, "two": 1}
    assert overview.oldest_at == jobs[0].received_at
    told = [(job.digest, job.state, job.reason, job.attempts) for job in overview.troubled]
    assert told == [
        (jobs[2].digest, State.WAITING, "busy", 1),
        (jobs[1].digest, State.DEAD, "gone wrong", 0),
        (jobs[0].digest, State.EXPLAINED, "one: down", 1),
    ]


RECEIVER = """
import sys
from pathlib import Path
from cxrshift.pacs.bridge.spool import Spool
from tests.pacs.bridge.examples import make_arrival
with Spool(Path(sys.argv[1])) as spool:
    for number in range(10**6):
        arrival = make_arrival(number)
        spool.receive(arrival, "films")
        print(arrival.digest, flush=True)
"""


def test_all_that_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RECEIVER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert process.stdout
    acknowledged = [process.stdout.readline().strip() for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    with Spool(tmp_path) as spool:
        due = {job.digest: job for job in spool.due(10**6)}
        assert set(acknowledged) <= set(due)
        assert len(due) <= len(acknowledged) + 1  # the one in hand when the end came
        assert all(spool.source(job) for job in due.values())
    assert len(files_in(tmp_path)) == len(due)
