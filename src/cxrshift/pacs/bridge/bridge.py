"""The running bridge: the ways in, the spool, and threads that empty it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import start_http_server

from cxrshift.audit import SOURCE_ID, Action, AuditRecord, AuditTrail, Outcome
from cxrshift.telemetry import describe_fault, log_event
from cxrshift_client import Client, Retry, Tls

from .destinations import open_sender
from .intake import Intake
from .metrics import BridgeMetrics
from .scp import StorageScp
from .settings import BridgeSettings, ServiceSettings
from .spool import Spool
from .stow import StowServer
from .work import Work

logger = logging.getLogger("cxrshift.pacs")

_LOOK_SECONDS = 0.5
"""How often the spool is looked at unasked: for what waits its turn again, and for dead letters put back."""
_FORGET_SECONDS = 3600.0
_BREATHER_SECONDS = 2.0
"""After the spool could not be read or written."""
_DELIVERIES_AT_ONCE = 4


class Bridge:
    """``with Bridge(settings) as bridge`` receives, explains and delivers inside, and has drained after.

    Raises SpoolError, ExplainerError for an address that is none, and OSError or RuntimeError where a port is taken.
    """

    def __init__(self, settings: BridgeSettings) -> None:
        self.settings = settings

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._start(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._exits.close()
        log_event(logger, "stopped")

    def _start(self, exits: ExitStack) -> None:
        settings = self.settings
        spool = exits.enter_context(Spool(settings.spool.folder))
        audit = exits.enter_context(AuditTrail(settings.audit))
        metrics = BridgeMetrics(spool, settings.destinations)
        client = exits.enter_context(_open_client(settings.service))
        senders = {name: open_sender(destination) for name, destination in settings.destinations.items()}
        work = Work(settings, spool, client, senders, metrics, audit)
        dispatcher = exits.enter_context(_Dispatcher(settings, spool, work))
        numbers, _ = start_http_server(settings.metrics.port, settings.metrics.host, metrics.registry)
        exits.callback(numbers.server_close)
        exits.callback(numbers.shutdown)
        self.metrics_port = int(numbers.server_port)
        intake = Intake(settings, spool, metrics, audit, on_new=dispatcher.wake)
        self.scp = exits.enter_context(StorageScp(settings.scp, intake, audit)) if settings.scp else None
        self.stow = exits.enter_context(StowServer(settings.stow, intake)) if settings.stow else None
        _say(audit, Action.STARTED)
        exits.callback(_say, audit, Action.STOPPED)
        log_event(
            logger,
            "listening",
            dimse=self.scp.port if self.scp else None,
            stow=self.stow.port if self.stow else None,
            metrics=self.metrics_port,
        )


def _say(audit: AuditTrail, action: Action) -> None:
    audit.write(AuditRecord(action, SOURCE_ID, "", Outcome.SUCCESS, datetime.now(UTC)))


def _open_client(service: ServiceSettings) -> Client:
    """One that tries once: the spool is what tries again, and waits in the client would hold one of its few places."""
    token_file, tls = service.token_file, service.tls
    token = partial(_read_token, token_file) if token_file else None
    return Client(service.address, retry=Retry(attempts=1), token=token, tls=Tls(tls.trusted, tls.certificate, tls.key))


def _read_token(file: Path) -> str:
    return file.read_text("utf-8").strip()


class _Dispatcher:
    """Gives what is due to threads, each radiograph and each delivery to one at a time."""

    def __init__(self, settings: BridgeSettings, spool: Spool, work: Work) -> None:
        self._settings = settings
        self._spool = spool
        self._work = work
        self._explaining = ThreadPoolExecutor(settings.service.at_once, thread_name_prefix="explain")
        self._delivering = ThreadPoolExecutor(_DELIVERIES_AT_ONCE, thread_name_prefix="deliver")
        self._taken: set[Hashable] = set()
        """Handed to a thread and not ended."""
        self._running: set[Hashable] = set()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Begin nothing more; let what was begun end, but not for longer than the settings allow."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()
        for pool in (self._explaining, self._delivering):
            pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + self._settings.drain_seconds
        while self._running and time.monotonic() < deadline:
            time.sleep(0.02)
        self._work.abandon()
        for pool in (self._explaining, self._delivering):
            pool.shutdown(wait=True)

    def wake(self) -> None:
        """Look at the spool now."""
        self._wanted.set()

    def _run(self) -> None:
        forgot_at = float("-inf")
        while not self._stopping.is_set():
            self._wanted.wait(_LOOK_SECONDS)
            self._wanted.clear()
            try:
                self._hand_out()
                if time.monotonic() - forgot_at > _FORGET_SECONDS:
                    self._spool.forget(time.time() - self._settings.spool.remember)
                    forgot_at = time.monotonic()
            except sqlite3.Error as error:  # a database that is held for long, for one: the next look may fare better
                log_event(logger, "the spool cannot be read", level=logging.ERROR, fault=describe_fault(error))
                self._stopping.wait(_BREATHER_SECONDS)

    def _hand_out(self) -> None:
        # Looked at before the spool: what ends in between is still in what the spool tells, and must not begin again.
        taken = set(self._taken)
        for delivery in self._spool.due_deliveries(2 * _DELIVERIES_AT_ONCE + len(taken)):
            key = (delivery.job.digest, delivery.destination)
            if key not in taken:
                self._submit(self._delivering, key, partial(self._work.deliver, delivery))
        for job in self._spool.due(2 * self._settings.service.at_once + len(taken)):
            if job.digest not in taken:
                self._submit(self._explaining, job.digest, partial(self._work.explain, job))

    def _submit(self, pool: ThreadPoolExecutor, key: Hashable, step: Callable[[], None]) -> None:
        self._taken.add(key)

        def run() -> None:
            self._running.add(key)
            try:
                step()
            except (OSError, sqlite3.Error) as error:  # a full disk, for one: nothing is lost, and nothing hurries
                log_event(logger, "the spool cannot be written", level=logging.ERROR, fault=describe_fault(error))
                self._stopping.wait(_BREATHER_SECONDS)
            finally:
                self._running.discard(key)
                self._taken.discard(key)
                self._wanted.set()

        pool.submit(run)
