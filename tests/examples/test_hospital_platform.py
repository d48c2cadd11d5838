"""The hospital platform's example against a service whose answers these tests choose."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrshift.serving.processes import free_ports
from cxrshift_api.json_codec import explain_reply_from_json
from cxrshift_api.types import NOTICE, ExplainRequest, Problem, ProblemCode
from examples.hospital_platform import main
from tests.client.service import MODELS, Answer, Request, Service, plain_answer, serve_grpc, serve_rest

BUSY = Problem(ProblemCode.OVERLOADED, "No room.", retry_after=0.5)
Ask = Callable[..., int]


@pytest.fixture
def service() -> Iterator[Service]:
    with serve_grpc(Service()) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images, one of them in a folder of its own, and a file that the system hides."""
    images = tmp_path / "incoming"
    (images / "study").mkdir(parents=True)
    for number in range(5):
        (images / f"{number}.png").write_bytes(b"image %d" % number)
    (images / "study/5.dcm").write_bytes(b"image 5")
    (images / ".hidden").write_bytes(b"")
    return images


@pytest.fixture
def ask(service: Service, folder: Path, tmp_path: Path) -> Ask:
    """Runs the example; its exit code."""

    def run(*arguments: str, url: str = "") -> int:
        named = [str(folder), "--url", url or service.address, "--out", str(tmp_path / "out"), "--finding", "Mass"]
        return main([*named, *arguments])

    return run


def rows(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "out/outcomes.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def explained(service: Service) -> list[ExplainRequest]:
    return [request for request in service.seen if isinstance(request, ExplainRequest)]


def answer_by(image: bytes, problem: Problem) -> Callable[[Request], Answer]:
    """A healthy service but for one image."""
    return lambda r: problem if isinstance(r, ExplainRequest) and r.image == image else plain_answer(r)


def test_every_file_has_its_answer_and_its_row(
    ask: Ask, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("--finding", "Effusion") == 0
    table = rows(tmp_path)
    names = ["0.png", "1.png", "2.png", "3.png", "4.png", str(Path("study/5.dcm"))]
    assert [(row["file"], row["finding"]) for row in table] == [(n, f) for n in names for f in ("Mass", "Effusion")]
    assert {row["outcome"] for row in table} == {"explained"}
    for row in table:
        assert 0.0 <= float(row["score"]) <= 1.0
        assert float(row["seconds"]) > 0.0
    ids = {row["request_id"] for row in table}
    assert {request.request_id for request in explained(service)} == ids
    assert len(ids) == 6
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*(f"{each}.json" for each in ids), "outcomes.csv"}
    stored = explain_reply_from_json(json.loads((tmp_path / f"out/{table[0]['request_id']}.json").read_bytes()))
    sent = plain_answer(explained(service)[0])
    assert np.array_equal(stored.explanations[1].frames, sent.explanations[1].frames)  # type: ignore[union-attr]
    told = capsys.readouterr()
    assert told.out.endswith(f"6 explained. {NOTICE}\n")
    assert [line.split()[0] for line in told.err.splitlines()] == [f"{n}/6" for n in range(1, 7)]


def test_what_was_answered_is_not_asked_again(ask: Ask, service: Service, folder: Path, tmp_path: Path) -> None:
    assert ask() == 0
    first = rows(tmp_path)
    (folder / "6.png").write_bytes(b"image 6")
    service.seen.clear()
    assert ask() == 0
    assert [request.image for request in explained(service)] == [b"image 6"]
    again = {row["file"]: row for row in rows(tmp_path)}
    assert Counter(row["outcome"] for row in again.values()) == {"kept": 6, "explained": 1}
    for row in first:
        assert again[row["file"]] == {**row, "outcome": "kept", "seconds": ""}


@pytest.mark.parametrize("changed", ["finding", "image", "version"])
def test_another_question_is_asked(ask: Ask, service: Service, folder: Path, changed: str) -> None:
    assert ask() == 0
    before = {request.request_id for request in explained(service)}
    service.seen.clear()
    if changed == "version":
        service.answer = lambda r: (replace(MODELS[0], version="1.1"),) if r is None else plain_answer(r)
    if changed == "image":
        for file in folder.rglob("*.*"):
            file.write_bytes(file.read_bytes() + b"!")
    assert ask(*(("--finding", "Effusion") if changed == "finding" else ())) == 0
    assert len(explained(service)) == 6
    assert before.isdisjoint(request.request_id for request in explained(service))


def test_a_file_that_is_refused_costs_its_own_row_alone(ask: Ask, service: Service, tmp_path: Path) -> None:
    unknown = Problem(ProblemCode.UNKNOWN_FINDING, "No such finding; choose from Mass.")
    service.answer = answer_by(b"image 2", unknown)
    assert ask() == 1
    outcomes = {row["file"]: row["outcome"] for row in rows(tmp_path)}
    assert outcomes.pop("2.png") == "refused"
    assert set(outcomes.values()) == {"explained"}
    (problem,) = [row["problem"] for row in rows(tmp_path) if row["problem"]]
    assert "choose from Mass" in problem


def test_an_overloaded_service_is_asked_again_when_it_says_under_the_same_id(
    ask: Ask, service: Service, tmp_path: Path
) -> None:
    met: dict[str, list[float]] = {}

    def answer(request: Request) -> Answer:
        if not isinstance(request, ExplainRequest):
            return plain_answer(request)
        times = met.setdefault(request.request_id, [])
        times.append(time.monotonic())
        return BUSY if len(times) < 3 else plain_answer(request)

    service.answer = answer
    assert ask() == 0
    assert len(met) == 6
    for times in met.values():
        assert len(times) == 3
        assert min(np.diff(times)) >= 0.5
    assert {row["outcome"] for row in rows(tmp_path)} == {"explained"}


def test_no_more_are_on_their_way_than_were_allowed(ask: Ask, service: Service) -> None:
    now: list[str] = []
    most: list[int] = []

    def answer(request: Request) -> Answer:
        if isinstance(request, ExplainRequest):
            now.append(request.request_id)
            most.append(len(now))
            time.sleep(0.05)
            now.remove(request.request_id)
        return plain_answer(request)

    service.answer = answer
    assert ask("--in-flight", "2") == 0
    assert max(most) == 2


def test_an_image_whose_deadline_passes_is_late_and_the_others_are_not(
    ask: Ask, service: Service, tmp_path: Path
) -> None:
    service.answer = answer_by(b"image 4", Problem(ProblemCode.DEADLINE, "Too late."))
    assert ask() == 1
    assert Counter(row["outcome"] for row in rows(tmp_path)) == {"explained": 5, "late": 1}


def test_waiting_longer_than_the_deadline_is_not_begun(ask: Ask, service: Service, tmp_path: Path) -> None:
    service.answer = answer_by(b"image 4", Problem(ProblemCode.OVERLOADED, "No room.", retry_after=30.0))
    began = time.monotonic()
    assert ask("--deadline", "5") == 1
    assert time.monotonic() - began < 5.0
    assert Counter(row["outcome"] for row in rows(tmp_path)) == {"explained": 5, "failed": 1}


def test_a_service_that_is_gone_ends_the_work_and_the_next_run_goes_on(
    ask: Ask, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    assert ask("--deadline", "1", url=f"grpc://127.0.0.1:{port}") == 3
    assert {row["outcome"] for row in rows(tmp_path)} == {"not asked"}
    assert "No service answers at" in capsys.readouterr().err
    assert ask() == 0


def test_a_closed_door_ends_the_work(
    ask: Ask, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("secret-key\n")
    monkeypatch.setenv("CXRSHIFT_TOKEN_FILE", str(tmp_path / "key"))
    service.answer = lambda request: Problem(ProblemCode.FORBIDDEN, "Not you.")
    assert ask() == 2
    assert service.headers[0]["authorization"] == "Bearer secret-key"
    assert {row["outcome"] for row in rows(tmp_path)} == {"not asked"}


def test_a_model_that_is_not_there_ends_the_work(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--model", "other") == 2
    assert "No model is called other; there are: phantom." in capsys.readouterr().err


def test_answers_among_the_images_are_no_images(service: Service, folder: Path) -> None:
    for _ in range(2):
        assert main([str(folder), "--url", service.address, "--out", str(folder / "out"), "--finding", "Mass"]) == 0
    assert len(explained(service)) == 6


def test_rest_does_as_well(ask: Ask, tmp_path: Path) -> None:
    with serve_rest(Service()) as service:
        assert ask(url=service.address) == 0
        assert len(explained(service)) == 6


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [(("--in-flight", "0"), "--in-flight must be"), (("--deadline", "0"), "--deadline more than 0")],
)
def test_a_wrong_option_is_told(
    ask: Ask, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], wrong: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        ask(*arguments)
    assert ended.value.code == 2
    assert wrong in capsys.readouterr().err
