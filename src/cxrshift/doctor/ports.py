"""Whether the service's ports are free, and who has those that are not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .checks import Check, State
from .listeners import Listener, find_listener

TOPIC = "Ports"
_OURS = ("cxrshift.gateway", "cxrshift")
_TORCHSERVE = "org.pytorch.serve.ModelServer"


@dataclass(frozen=True)
class Port:
    """A TCP port that a part of the service listens on."""

    name: str
    host: str
    number: int
    """Port number, 0 to 65535."""
    option: str
    """How another one is chosen."""
    variable: str = ""
    """Of the gateway's environment, where it names this port."""
    needed: bool = True
    """Whether ``cxrshift serve`` does not start without it."""


def service_ports(environment: Mapping[str, str]) -> tuple[Port, ...]:
    """The gateway's three, and the two of ``cxrshift torchserve``."""
    host = environment.get("CXRSHIFT_HOST") or "127.0.0.1"

    def gateway(name: str, variable: str, option: str, usual: int) -> Port:
        given = environment.get(variable, "")
        return Port(name, host, int(given) if _is_port(given) else usual, f"cxrshift serve {option} N", variable)

    return (
        gateway("REST", "CXRSHIFT_REST_PORT", "--rest-port", 8000),
        gateway("gRPC", "CXRSHIFT_GRPC_PORT", "--grpc-port", 8001),
        gateway("metrics", "CXRSHIFT_METRICS_PORT", "--metrics-port", 8002),
        Port("TorchServe REST", "127.0.0.1", 8080, "cxrshift torchserve --rest-port N", needed=False),
        Port("TorchServe gRPC", "127.0.0.1", 7070, "cxrshift torchserve --grpc-port N", needed=False),
    )


def check_ports(
    ports: Sequence[Port],
    identify: Callable[[Port], str],
    listener: Callable[[int], Listener | None] = find_listener,
) -> Iterator[Check]:
    """A check for each port. ``identify`` says what of ours answers there, "" = nothing of ours."""
    return (check_port(port, identify, listener) for port in ports if port.number)


def check_port(
    port: Port, identify: Callable[[Port], str], listener: Callable[[int], Listener | None] = find_listener
) -> Check:
    """Whether the port is free; what has it otherwise."""
    name = f"{port.number} {port.name}"
    trouble = try_port(port.host, port.number)
    if trouble == 0:
        return Check(TOPIC, name, State.OK, f"free at {port.host}")
    state = State.FAIL if port.needed else State.WARN
    if trouble == errno.EADDRINUSE:
        who = listener(port.number)
        program = who.program if who else ""
        told = identify(port) or ("cxrshift" if program.endswith(_OURS) else "")
        if told or program.endswith(_TORCHSERVE):
            return Check(TOPIC, name, State.OK, f"in use by {told or 'TorchServe'}" + (f", {who}" if who else ""))
        taken = f"taken by {who}" if who else "taken by a process that this user may not see"
        return Check(TOPIC, name, state, taken, f"End it, or take another: {port.option}")
    if trouble == errno.EADDRNOTAVAIL:
        remedy = "Set CXRSHIFT_HOST to an address of this machine, or to 0.0.0.0 for all of them."
        return Check(TOPIC, name, state, f"{port.host} is no address of this machine", remedy)
    if trouble in (errno.EACCES, errno.EPERM):
        return Check(TOPIC, name, state, "this user may not listen there", f"Take one above 1023: {port.option}")
    return Check(TOPIC, name, state, f"cannot be listened on: {errno.errorcode.get(trouble, trouble)}", port.option)


def try_port(host: str, port: int) -> int:
    """0 where a server could listen there now, else the error's number; nothing stays open."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
            trial.bind(address)
            trial.listen(1)
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= 65535
