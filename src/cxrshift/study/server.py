"""The study's HTTP server, on a socket that is bound from the start and so has a port."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from .app import make_study_app
from .database import Database


@dataclass(frozen=True)
class StudyAddress:
    """Where a study is served; with ``certificate`` and ``key``, PEM files, over TLS 1.2 or later."""

    host: str = "127.0.0.1"
    port: int = 8010
    """In [0, 65535]; 0 = a free one."""
    certificate: Path | None = None
    key: Path | None = None


class StudyServer:
    """Serves an open study from a thread: ``with StudyServer(database, address) as server``. Raises OSError.

    ``ssl.SSLError``, an OSError, is raised for TLS files that cannot be used.
    """

    def __init__(self, database: Database, address: StudyAddress) -> None:
        self._address = address
        self._context = _context(address)
        self._app = make_study_app(database, over_tls=self._context is not None)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        return f"{'https' if self._context else 'http'}://{host}:{self.port}/"

    @property
    def is_exposed(self) -> bool:
        """Whether codes and answers cross a network in the clear."""
        return self._context is None and self._address.host not in ("127.0.0.1", "::1", "localhost")

    def __enter__(self) -> Self:
        host, port = self._address.host, self._address.port
        self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # asyncio does this for sockets of its own only; without it an answer on a kept connection waits 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=(lambda config, default: self._context) if self._context else None,  # type: ignore[arg-type,return-value]
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="study", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("The study's server ended while starting.")
            time.sleep(0.01)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _context(address: StudyAddress) -> ssl.SSLContext | None:
    if not (address.certificate and address.key):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(address.certificate, address.key)
    return context
