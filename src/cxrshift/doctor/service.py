"""A running service: whether it answers, is ready, and which models it has."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cxrshift_client.errors import AccessError, ExplainerError, UnreachableError

from .checks import Check, State
from .ports import Port

if TYPE_CHECKING:
    from cxrshift_client import Client

TOPIC = "Service"
SECONDS = 1.5
"""How long a service on this machine may take to answer."""

OpenClient = Callable[[str], "Client"]
"""A client of the service at an address, with the caller's own key and certificates. Raises OSError."""


@dataclass(frozen=True)
class Answer:
    """What answers at an address."""

    url: str
    ours: bool
    """Whether it speaks as a cxrshift service does."""
    ready: bool = False
    models: tuple[str, ...] = ()
    """``cxr-small 1.0.0``, the default first; none where it wants a key first."""
    trouble: str = ""
    """Why the models are not told."""
    absent: bool = False
    """Nothing answers."""


def ask(url: str, open_client: OpenClient) -> Answer:
    """What answers at the address; it is waited for a few seconds at most."""
    try:
        with open_client(url) as client:
            models = client.list_models()
            names = tuple(f"{m.name} {m.version}" for m in sorted(models, key=lambda m: not m.default))
            return Answer(url, True, client.is_ready(SECONDS), names)
    except UnreachableError as error:
        return Answer(url, False, trouble=error.problem.message, absent=True)
    except AccessError as error:
        return Answer(url, True, trouble=str(error))
    except ExplainerError as error:
        return Answer(url, False, trouble=error.problem.message)
    except OSError as error:
        return Answer(url, False, trouble=f"{error.filename or url}: {error.strerror}")


def identify(port: Port, ask_at: Callable[[str], Answer], schemes: tuple[str, str] = ("http", "grpc")) -> str:
    """What of ours answers at a port, in words; "" = nothing of ours."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(port.host, port.host)
    if port.name == "metrics":
        told = _fetch(f"http://{host}:{port.number}/metrics")
        return "cxrshift's metrics" if b"cxrshift_" in told else ""
    if port.name not in ("REST", "gRPC"):
        return ""
    answer = ask_at(f"{schemes[port.name == 'gRPC']}://{host}:{port.number}")
    if not answer.ours:
        return ""
    return f"cxrshift, which serves {', '.join(answer.models)}" if answer.models else "cxrshift, which asks for a key"


def check_service(url: str, answer: Answer, *, named: bool) -> Iterator[Check]:
    """The service at ``url``; where nobody ``named`` one, it is no fault that none runs."""
    if not answer.ours and not named:
        yield Check(TOPIC, "service", State.SKIP, f"none runs at {url}", "cxrshift serve starts one.")
        return
    if not answer.ours:
        remedy = "Start it with cxrshift serve, or name the right one: --url grpc://HOST:8001 or http://HOST:8000."
        yield Check(TOPIC, "service", State.FAIL, answer.trouble, remedy)
        return
    if answer.trouble:
        remedy = "Put an API key or token into a file and name it in CXRSHIFT_TOKEN_FILE."
        yield Check(TOPIC, "service", State.WARN, f"{url}: {answer.trouble}", remedy)
        return
    if not answer.ready:
        remedy = "It may be starting or stopping; if it stays so, its log says why."
        yield Check(TOPIC, "service", State.FAIL, f"{url} answers, and is not ready", remedy)
    else:
        yield Check(TOPIC, "service", State.OK, f"{url} is ready")
    yield Check(TOPIC, "served", State.OK, ", ".join(answer.models))


def service_time(url: str) -> datetime | None:
    """The service's own clock, over plain HTTP; None where it is not told."""
    if not url.startswith("http://"):
        return None
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{url.rstrip('/')}/healthz", timeout=SECONDS) as reply:
        return parsedate_to_datetime(reply.headers.get("Date", ""))
    return None


def _fetch(url: str) -> bytes:
    """What is there; empty where nothing is."""
    with suppress(OSError, ValueError, urllib.error.HTTPError), urllib.request.urlopen(url, timeout=SECONDS) as reply:
        return bytes(reply.read(1 << 20))
    return b""
