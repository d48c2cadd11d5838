"""The socket that an HTTP server of ours listens on."""

from __future__ import annotations

import socket

_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket of an IPv4 or IPv6 address. ``port`` is in [0, 65535]; 0 = a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # asyncio does this for sockets of its own only; without it an answer on a kept connection waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
