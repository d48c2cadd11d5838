"""The study's HTTP server, on a socket that is bound from the start and so has a port."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from ..threaded_server import ThreadedServer
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


class StudyServer(ThreadedServer):
    """Serves an open study from a thread: ``with StudyServer(database, address) as server``. Raises OSError.

    ``ssl.SSLError``, an OSError, is raised for TLS files that cannot be used.
    """

    def __init__(self, database: Database, address: StudyAddress) -> None:
        self._address = address
        self._context = _context(address)
        app = make_study_app(database, over_tls=self._context is not None)
        super().__init__(app, address.host, address.port, name="study", tls=self._context, grace=5)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        return f"{'https' if self._context else 'http'}://{host}:{self.port}/"

    @property
    def is_exposed(self) -> bool:
        """Whether codes and answers cross a network in the clear."""
        return self._context is None and self._address.host not in ("127.0.0.1", "::1", "localhost")


def _context(address: StudyAddress) -> ssl.SSLContext | None:
    if not (address.certificate and address.key):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(address.certificate, address.key)
    return context
