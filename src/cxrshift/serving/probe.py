"""Whether a part of the service answers: a command for probes of containers, which start it every few seconds.

``python -m cxrshift.serving.probe HOST:PORT MODEL...`` asks each model of a TorchServe to describe itself, through the
same door and the same worker as an explanation; ``/ping`` says Healthy when no worker is up. ``python -m
cxrshift.serving.probe URL`` asks a gateway's operator port. Exit codes: 0 it answers, 1 it does not, 2 wrong arguments.

Nothing but the standard library is imported, so that a probe takes milliseconds of a busy machine.
"""

from __future__ import annotations

import argparse
import http.client
import re
import select
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

_DESCRIBE = b"\x1a\x00"  # a serialized cxrshift.v1.WorkRequest whose ``describe`` is set
_BOUNDARY = "cxrshift-probe"
_BODY = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="work"; filename="work"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode() + (_DESCRIBE + f"\r\n--{_BOUNDARY}--\r\n".encode())
_HEADERS = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.1


def worker_answers(host: str, port: int, model: str, *, while_waiting: Callable[[], None]) -> bool:
    """Whether the model describes itself over TorchServe's REST inference port.

    TorchServe holds the request until a worker is up, so ``while_waiting`` is called every 0.1 s; what it raises ends
    the wait. False where nobody listens, or the front end says that it has no worker.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_SECONDS)
    try:
        connection.request("POST", f"/predictions/{model}", _BODY, _HEADERS)
        while not select.select([connection.sock], [], [], _POLL_SECONDS)[0]:
            while_waiting()
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def torchserve_answers(address: str, models: Sequence[str], *, seconds: float) -> str:
    """Why the TorchServe at ``HOST:PORT`` does not do its work; empty where every model answers in time."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError

    for model in models:
        if not worker_answers(host.strip("[]"), int(port), model, while_waiting=check_time):
            return f"{model} at {address} does not answer"
    return ""


def page_answers(url: str, *, seconds: float) -> str:
    """Why the page is not answered with 200; empty where it is."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, http.client.HTTPException):
        return f"{url} does not answer"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """``where``, ``models`` and ``timeout``. Ends the process with code 2 where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m cxrshift.serving.probe", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("where", metavar="HOST:PORT|URL", help="TorchServe's REST inference port, or a gateway's page")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="each must answer; for HOST:PORT alone")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for the whole (default 10)")
    given = parser.parse_args(arguments)
    is_page = given.where.startswith("http://")
    if is_page == bool(given.models) or not (is_page or re.fullmatch(r".+:\d+", given.where)):
        parser.error("name HOST:PORT and at least one model, or an http:// address and none")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where what was asked for answers, 1 where it does not."""
    given = parse_arguments(arguments)
    if given.models:
        trouble = torchserve_answers(given.where, given.models, seconds=given.timeout)
    else:
        trouble = page_answers(given.where, seconds=given.timeout)
    if trouble:
        sys.stderr.write(f"{trouble}\n")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
