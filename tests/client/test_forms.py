"""What goes over the wire and what is made of odd answers, on literal bytes; settings as pure values."""

from __future__ import annotations

import inspect
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

import cxrshift_client
from cxrshift_api import json_codec
from cxrshift_api.types import ExplainOptions, ExplainReply, ExplainRequest, Problem, ProblemCode, SaliencyKind
from cxrshift_client import (
    AsyncClient,
    BusyError,
    Client,
    DeadlineError,
    Explained,
    MockTransport,
    ProtocolError,
    RequestError,
    Retry,
    ServiceFault,
    Timeout,
    Tls,
)
from cxrshift_client.attempts import Patience
from cxrshift_client.methods import EXPLAIN
from cxrshift_client.request import explain_request
from cxrshift_client.transports import parse_address
from tests.client.service import Service, serve_grpc, serve_rest
from tests.render.examples import make_reply

ONCE = Retry(attempts=1)


@contextmanager
def literal_server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """An HTTP server that answers one request with these very bytes, and what it was sent."""
    received: list[bytes] = []

    def serve() -> None:
        with listener.accept()[0] as connection:
            received.append(connection.recv(65536))
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while rest := connection.recv(65536):  # closing with something unread would reset the connection
                received.append(rest)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
        thread.join()


def http(status: str, headers: str = "", body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def test_a_rest_request_is_the_file_with_options_in_the_query() -> None:
    answer = http("200 OK", "Content-Type: application/x-protobuf\r\n", b"\x12\x03abc")
    with literal_server(answer) as (url, received), Client(url, retry=ONCE, timeout=Timeout(None)) as client:
        reply = client.explain(b"file", findings=["Mass", "Lung Lesion"], frames=5, profile="fixed", request_id="r1")
    assert reply == ExplainReply((), "abc")
    head, _, body = b"".join(received).partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /v1/explain?finding=mass&finding=lung+lesion&profile=fixed&frames=5 http/1.1"
    assert {"accept: application/x-protobuf", "x-request-id: r1", "content-type: application/octet-stream"} <= set(
        lines
    )
    assert body == b"file"


def test_the_service_is_told_how_long_an_answer_is_of_use() -> None:
    answer = http("200 OK", "Content-Type: application/x-protobuf\r\n")
    with literal_server(answer) as (url, received), Client(url, retry=ONCE) as client:
        client.classify(b"x")
        with pytest.raises(DeadlineError):
            client.explain(b"x", timeout=0.0)
    seconds = float(received[0].split(b" HTTP")[0].rpartition(b"timeout=")[2])
    assert 59.0 < seconds <= 60.0


def test_an_image_that_grpc_itself_refuses_is_too_large_and_not_tried_again() -> None:
    with serve_grpc(Service()) as service, Client(service.address) as client, pytest.raises(RequestError) as caught:
        client.explain(bytes(5 << 20))  # the limit of a plain gRPC server is 4 MiB
    assert caught.value.problem.code is ProblemCode.TOO_LARGE


def test_options_left_to_the_service_are_not_sent() -> None:
    form = EXPLAIN.to_http(ExplainRequest(b"x", "xrv", ExplainOptions(("Mass",), lambda_min=-0.5)))
    assert form.query == (("model", "xrv"), ("finding", "Mass"), ("lambda_min", "-0.5"))


@pytest.mark.parametrize(
    ("saliency", "kinds"),
    [
        ("input-gradient", ["input-gradient"]),
        (["guided-backpropagation", SaliencyKind.INPUT_GRADIENT], ["guided-backpropagation", "input-gradient"]),
    ],
)
def test_each_map_is_a_query_parameter_of_its_own(saliency: str | list[str], kinds: list[str]) -> None:
    request = explain_request(b"x", {"saliency": saliency})
    assert request.options.saliency == tuple(kinds)
    assert EXPLAIN.to_http(request).query == tuple(("saliency", kind) for kind in kinds)


def test_a_map_that_is_not_in_the_contract_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(RequestError, match="saliency must be one of input-gradient, integrated-gradients"):
        explain_request(b"x", {"saliency": ["grad-cam"]})


def test_an_answer_in_json_is_read_as_well() -> None:
    reply = make_reply()
    body = json_codec.dump_json(json_codec.explain_reply_to_json(reply))
    answer = http("200 OK", "Content-Type: application/json; charset=utf-8\r\n", body)
    with literal_server(answer) as (url, _), Client(url, retry=ONCE) as client:
        got = client.explain(b"x")
    assert np.array_equal(got.explanations[0].frames, reply.explanations[0].frames)


PROBLEM = b'{"code":"OVERLOADED","detail":"Later.","title":"Overloaded","status":429}'
NEWER = b'{"code":"BREWING_TEA","detail":"Wait for the tea."}'


@pytest.mark.parametrize(
    ("answer", "family", "problem"),
    [
        (
            http("429 Busy", "Content-Type: application/problem+json\r\nRetry-After: 7\r\n", PROBLEM),
            BusyError,
            Problem(ProblemCode.OVERLOADED, "Later.", 7.0),
        ),
        (
            http("418 Teapot", "Content-Type: application/problem+json\r\n", NEWER),
            ServiceFault,
            Problem(ProblemCode.INTERNAL, "Wait for the tea."),
        ),
        (
            http("502 Bad Gateway", "Content-Type: text/html\r\n", b"<html>"),
            BusyError,
            Problem(ProblemCode.UNAVAILABLE, "A proxy on the way cannot reach the service."),
        ),
        (
            http("504 Gateway Timeout", "Content-Type: application/json\r\n", b"not json"),
            DeadlineError,
            Problem(ProblemCode.DEADLINE, "A proxy on the way gave up waiting for the service."),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            BusyError,
            Problem(ProblemCode.UNAVAILABLE, "The connection broke before the answer was whole."),
        ),
    ],
    ids=["busy", "newer code", "proxy", "no json", "broken off"],
)
def test_a_failed_answer_becomes_its_problem(answer: bytes, family: type[BusyError], problem: Problem) -> None:
    with literal_server(answer) as (url, _), Client(url, retry=ONCE) as client, pytest.raises(family) as caught:
        client.explain(b"x")
    assert caught.value.problem == problem


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", "Content-Type: text/html\r\n", b"<html>hello</html>"),
        http("200 OK", "Content-Type: application/x-protobuf\r\n", b"\xff\xff\xff"),
        http("200 OK", "Content-Type: application/json\r\n", b'{"explanations": 3}'),
        http("404 Not Found", "Content-Type: text/plain\r\n", b"nothing here"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["a web page", "no message", "other json", "not found", "not even HTTP"],
)
async def test_another_program_at_the_address_is_told_apart(answer: bytes) -> None:
    expected = (ProtocolError, BusyError) if answer.startswith(b"SSH") else ProtocolError
    with literal_server(answer) as (url, _), Client(url, retry=ONCE) as client, pytest.raises(expected):
        client.explain(b"x")
    with literal_server(answer) as (url, _):
        async with AsyncClient(url, retry=ONCE) as aclient:
            with pytest.raises(expected):
                await aclient.classify(b"x")


async def test_a_body_that_trickles_in_does_not_outlast_the_deadline() -> None:
    stop = threading.Event()

    def serve() -> None:
        for _ in range(2):
            with listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, retry=ONCE) as client, pytest.raises(DeadlineError):
            client.explain(b"x", timeout=0.2)
        async with AsyncClient(url, retry=ONCE) as aclient:
            with pytest.raises(DeadlineError):
                await aclient.explain(b"x", timeout=0.2)
        stop.set()
        thread.join()


def test_a_grpc_server_of_another_kind_is_told_apart() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with Client(f"grpc://127.0.0.1:{port}", retry=ONCE) as client, pytest.raises(ProtocolError):
            client.explain(b"x")
        server.stop(None).wait()


def test_a_service_with_a_certificate_of_its_own_is_trusted_by_ca_file(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=explainer", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with serve_grpc(Service(), credentials) as service:
        with Client(service.address, tls=Tls(certificate)) as client:
            assert client.list_models()[0].name == "phantom"
        with Client(service.address, retry=ONCE) as client, pytest.raises(BusyError):
            client.list_models()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serve_rest(Service(), tls) as service, Client(service.address, tls=Tls(certificate)) as client:
        assert client.list_models()[0].name == "phantom"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("grpc://host", "grpc://host:8001"),
        ("http://host", "http://host:8000"),
        ("https://host/cxrshift/", "https://host:443/cxrshift"),
        ("grpcs://[::1]:9000", "grpcs://[::1]:9000"),
    ],
)
def test_an_address_gets_its_default_port(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize("text", ["host:8001", "ftp://host", "grpc://", "http://host:port", ""])
def test_an_address_of_another_form_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(RequestError, match="grpc://host:8001"):
        parse_address(text)


def test_words_that_are_not_in_the_contract_are_refused_without_a_call() -> None:
    client = Client(transport=MockTransport(lambda request: pytest.fail("called")))
    with pytest.raises(RequestError, match="profile must be one of two-sided, latentshift, gifsplanation, fixed"):
        client.explain(b"x", profile="both")
    with pytest.raises(RequestError, match="heatmap must be one of"):
        client.explain(b"x", heatmap="hot")
    with pytest.raises(RequestError, match="array of numbers"):
        client.explain(np.array(["a"]))
    with pytest.raises(FileNotFoundError):
        client.explain("nowhere.png")


async def test_a_program_can_be_tested_without_a_service() -> None:
    def answer(request: object) -> ExplainReply | Problem:
        if isinstance(request, ExplainRequest):
            return make_reply(*request.options.findings)
        return Problem(ProblemCode.UNKNOWN_MODEL, "No such model.")

    mock = MockTransport(answer, ready=False)
    with Client(transport=mock) as client:
        assert client.explain(b"x", findings="Mass").explanations[0].finding == "Mass"
        assert isinstance(list(client.explain_stream(b"x"))[-1], Explained)
        assert not client.is_ready()
        with pytest.raises(RequestError, match="UNKNOWN_MODEL: No such model"):
            client.classify(b"x")
    async with AsyncClient(transport=mock) as aclient:
        assert (await aclient.explain(b"x")).explanations
        assert [type(e).__name__ async for e in aclient.explain_stream(b"x")] == ["Progress", "Explained"]
        assert not await aclient.is_ready()


def test_waits_double_up_to_the_longest_and_heed_the_service() -> None:
    retry = Retry(first_wait=0.5, longest_wait=3.0)
    assert [retry.wait(n, None, 1.0) for n in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert retry.wait(2, None, 0.25) == 0.25
    assert retry.wait(1, 4.0, 1.0) == 4.0


def test_attempts_end_where_the_next_wait_would_pass_the_deadline() -> None:
    now = [100.0]
    busy = BusyError(Problem(ProblemCode.OVERLOADED, "Later."))
    patience = Patience(Timeout(), Retry(attempts=9, first_wait=1.0), clock=lambda: now[0], dice=lambda: 1.0)
    attempts = patience.begin(4.5)
    assert attempts.seconds_left() == 4.5
    assert attempts.pause_after(busy) == 1.0
    now[0] += 1.0
    assert attempts.pause_after(busy) == 2.0
    now[0] += 2.0
    with pytest.raises(BusyError):
        attempts.pause_after(busy)
    assert patience.begin(None).seconds_left() is None


def test_all_names_exactly_what_the_package_offers() -> None:
    public = {
        name
        for name, value in vars(cxrshift_client).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert sorted(public) == sorted(cxrshift_client.__all__)
    assert len(set(cxrshift_client.__all__)) == len(cxrshift_client.__all__)


def test_the_client_works_where_neither_torch_nor_pillow_is_installed() -> None:
    program = """
import sys
for name in ("torch", "PIL", "matplotlib", "pydicom", "fastapi", "cxrshift"):
    sys.modules[name] = None
import cxrshift_client
client = cxrshift_client.Client("http://127.0.0.1:1", retry=cxrshift_client.Retry(attempts=1))
try:
    client.explain(b"x")
except cxrshift_client.UnreachableError:
    print("works")
client.close()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("works\n", 0), done.stderr
