"""An ASGI app on a socket of its own, served from a thread beside whatever else the process does."""

from __future__ import annotations

import ssl
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn

from cxrshift.listening import listen


class ThreadedServer:
    """Serves ``app`` inside ``with ThreadedServer(...) as server``; ``server.port`` is where. Raises OSError.

    The port is bound from the start, in [0, 65535], and 0 = a free one. ``name`` is the thread's; ``grace`` the seconds
    that answers may take to end, None = as long as they take. Raises RuntimeError where it ends while it starts.
    """

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        *,
        name: str,
        tls: ssl.SSLContext | None = None,
        grace: int | None = None,
    ) -> None:
        self._app, self._host, self._asked, self._name, self._tls, self._grace = app, host, port, name, tls, grace

    def __enter__(self) -> Self:
        self._socket = listen(self._host, self._asked)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=(lambda config, default: self._tls) if self._tls else None,  # type: ignore[arg-type,return-value]
            timeout_graceful_shutdown=self._grace,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=self._name, daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError(f"The {self._name} server ended while starting.")
            time.sleep(0.01)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
