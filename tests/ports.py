"""Ports for what is killed and starts again."""

from __future__ import annotations

import random
import socket


def quiet_ports(count: int) -> list[int]:
    """Free ports below those that the system gives to outgoing connections.

    Whoever listens there is killed and starts again: in between, one of many attempts to reach it could be given its
    very port.
    """
    found: list[int] = []
    for port in random.Random().sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("there are no free ports")
