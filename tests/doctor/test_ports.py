"""Ports that are really free, really taken, and really ours."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cxrshift.cli.askers import open_client_briefly
from cxrshift.doctor.checks import State
from cxrshift.doctor.listeners import describe_command, find_listener
from cxrshift.doctor.ports import Port, check_port, service_ports
from cxrshift.doctor.service import ask, check_service, identify
from cxrshift_api.types import Problem, ProblemCode
from cxrshift_client import Client
from tests.client.service import Answer as Said
from tests.client.service import Request, Service, serve_grpc, serve_rest

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who listens")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this very process listens, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def at(number: int, name: str = "REST", *, needed: bool = True, host: str = "127.0.0.1") -> Port:
    return Port(name, host, number, "cxrshift serve --rest-port N", needed=needed)


def nobody(port: Port) -> str:
    return ""


def identified() -> Callable[[Port], str]:
    return partial(identify, ask_at=lambda url: ask(url, open_client_briefly))


def test_a_free_port_is_told_as_free_and_stays_so(taken: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        number = int(other.getsockname()[1])
    for _ in range(2):
        check = check_port(at(number), nobody)
        assert (check.state, check.found) == (State.OK, "free at 127.0.0.1")


@linux
def test_a_taken_port_names_the_process_that_has_it_and_what_to_do(taken: int) -> None:
    check = check_port(at(taken), nobody)
    assert check.state is State.FAIL
    assert f"(process {os.getpid()})" in check.found
    assert check.remedy == "End it, or take another: cxrshift serve --rest-port N"
    assert check_port(at(taken, needed=False), nobody).state is State.WARN


def test_a_port_that_another_user_has_is_told_without_a_name(taken: int) -> None:
    check = check_port(at(taken), nobody, lambda port: None)
    assert (check.state, check.found) == (State.FAIL, "taken by a process that this user may not see")


def test_an_address_of_no_interface_is_told() -> None:
    check = check_port(at(8000, host="203.0.113.7"), nobody)
    assert (check.state, check.found) == (State.FAIL, "203.0.113.7 is no address of this machine")
    assert "CXRSHIFT_HOST" in check.remedy


@pytest.mark.parametrize(("serve", "name"), [(serve_rest, "REST"), (serve_grpc, "gRPC")])
def test_a_port_that_cxrshift_has_is_fine_and_says_what_it_serves(serve: Callable[..., object], name: str) -> None:
    with serve(Service()) as service:  # type: ignore[attr-defined]
        number = int(service.address.rpartition(":")[2])
        check = check_port(at(number, name), identified())
    assert check.state is State.OK
    assert check.found.startswith("in use by cxrshift, which serves phantom 1.0")


def test_an_http_server_of_somebody_else_is_not_taken_for_ours(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "-d", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            number = int(server.stdout.readline().split(" port ")[1].split()[0])
            check = check_port(at(number), identified())
            metrics = check_port(at(number, "metrics"), identified())
        finally:
            server.kill()
    assert (check.state, metrics.state) == (State.FAIL, State.FAIL)
    if sys.platform == "linux":
        assert f"-m http.server (process {server.pid})" in check.found


@linux
def test_no_one_listens_on_a_port_that_is_only_bound() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert find_listener(int(bound.getsockname()[1])) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/usr/bin/python3.11", "-m", "cxrshift.gateway", "--password", "x"], "python3.11 -m cxrshift.gateway"),
        (["/usr/sbin/nginx", "-g", "secret"], "nginx"),
        (["python3", "/srv/app/run.py", "--token", "x"], "python3 run.py"),
        (["python3", "-c", "import secret"], "python3"),
        (["/x/java", "-cp", "a", "org.pytorch.serve.ModelServer", "--python"], "java org.pytorch.serve.ModelServer"),
        ([], "a process"),
    ],
)
def test_a_command_is_told_without_its_arguments(words: list[str], told: str) -> None:
    assert describe_command("\0".join(words).encode()) == told


def test_ports_are_those_of_the_environment_and_a_wrong_one_is_the_usual() -> None:
    given = {"CXRSHIFT_REST_PORT": "9000", "CXRSHIFT_GRPC_PORT": "many", "CXRSHIFT_HOST": "0.0.0.0"}
    ports = service_ports(given)
    assert [(port.host, port.number) for port in ports[:3]] == [("0.0.0.0", 9000), ("0.0.0.0", 8001), ("0.0.0.0", 8002)]


# ---- a running service ----


def test_a_service_that_runs_is_told_with_its_models() -> None:
    with serve_rest(Service()) as service:
        checks = list(check_service(service.address, ask(service.address, open_client_briefly), named=True))
    assert [(c.state, c.found) for c in checks] == [
        (State.OK, f"{service.address} is ready"),
        (State.OK, "phantom 1.0"),
    ]


def test_a_service_that_is_not_ready_fails() -> None:
    with serve_rest(Service(ready=False)) as service:
        answer = ask(service.address, open_client_briefly)
    checks = list(check_service(service.address, answer, named=True))
    assert checks[0].state is State.FAIL
    assert "is not ready" in checks[0].found


def test_a_service_that_wants_a_key_is_told_with_the_variable_to_set() -> None:
    def closed(request: Request) -> Said:
        return Problem(ProblemCode.FORBIDDEN, "This key may not list models.")

    with serve_grpc(Service(closed)) as service:
        answer = ask(service.address, open_client_briefly)
    [check] = check_service(service.address, answer, named=True)
    assert check.state is State.WARN
    assert "CXRSHIFT_TOKEN_FILE" in check.remedy
    assert identify(at(1, "gRPC"), lambda url: answer) == "cxrshift, which asks for a key"


def test_a_service_that_is_named_must_be_there_and_one_that_is_not_need_not(taken: int) -> None:
    gone = ask("http://127.0.0.1:9", open_client_briefly)
    assert [c.state for c in check_service(gone.url, gone, named=True)] == [State.FAIL]
    assert [c.state for c in check_service(gone.url, gone, named=False)] == [State.SKIP]


def test_a_key_file_that_is_not_there_is_named() -> None:
    def without(url: str) -> Client:
        raise FileNotFoundError(2, "No such file or directory", "my.key")

    answer = ask("http://127.0.0.1:9", without)
    assert (answer.ours, answer.trouble) == (False, "my.key: No such file or directory")
