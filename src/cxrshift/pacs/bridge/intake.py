"""What becomes of an object that someone hands over, whichever way it came."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum

from cxrshift.audit import SOURCE_ID, Action, AuditRecord, AuditTrail, Outcome
from cxrshift.errors import CodedError
from cxrshift.telemetry import describe_fault, log_event

from .arrivals import Arrival, read_arrival
from .metrics import BridgeMetrics, Taken, Way
from .settings import BridgeSettings
from .spool import Spool
from .spool_records import State

logger = logging.getLogger("cxrshift.pacs")

_OWN = "It is one of this service's own results."
_UNWANTED = "No rule wants it."


class StoreStatus(IntEnum):
    """Answers to a C-STORE (PS3.4 B.2.3), which STOW-RS uses as reasons of failure (PS3.18 I.2.2)."""

    SUCCESS = 0x0000
    """The object is kept."""
    OUT_OF_RESOURCES = 0xA700
    """The sender may try again later."""
    DOES_NOT_MATCH = 0xA900
    """The object is not what was announced."""
    CANNOT_UNDERSTAND = 0xC000
    """The object cannot be read."""


class Intake:
    """Takes objects for the spool."""

    def __init__(
        self,
        settings: BridgeSettings,
        spool: Spool,
        metrics: BridgeMetrics,
        audit: AuditTrail,
        *,
        on_new: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._metrics = metrics
        self._audit = audit
        self._on_new = on_new

    def take(
        self, content: bytes, caller: str, way: Way, *, announced: str = "", study: str = "", address: str = ""
    ) -> tuple[StoreStatus, Arrival | None]:
        """Take over a DICOM file. SUCCESS is said only once it is safe here, or known, or wanted by no rule.

        ``announced`` is the SOP Instance UID that the sender gave beside the file, ``study`` the Study Instance UID;
        empty = none was given. ``address`` is the sender's host.
        """
        try:
            status, outcome, arrival = self._decide(content, caller, announced, study)
        except (OSError, sqlite3.Error) as error:  # a full disk: nothing was acknowledged, nothing is lost
            log_event(logger, "the spool cannot be written", level=logging.ERROR, fault=describe_fault(error))
            status, outcome, arrival = StoreStatus.OUT_OF_RESOURCES, "turned_away", None
        self._metrics.received(way, outcome)
        log_event(logger, "received", way=way, outcome=outcome, bytes=len(content))
        self._audit.write(
            AuditRecord(
                Action.RECEIVED,
                caller,
                SOURCE_ID,
                _OUTCOMES.get(status, Outcome.SERIOUS_FAILURE),
                datetime.now(UTC),
                arrival.study_instance_uid if arrival else "",
                address,
            )
        )
        return status, arrival

    def _decide(
        self, content: bytes, caller: str, announced: str, study: str
    ) -> tuple[StoreStatus, Taken, Arrival | None]:
        if not self._has_room(len(content)):
            return StoreStatus.OUT_OF_RESOURCES, "turned_away", None
        try:
            arrival = read_arrival(content, caller)
        except CodedError as error:
            self._spool.refuse(content, caller, error.message)
            return StoreStatus.CANNOT_UNDERSTAND, "unreadable", None
        if announced not in ("", arrival.sop_instance_uid) or study not in ("", arrival.study_instance_uid):
            return StoreStatus.DOES_NOT_MATCH, "mismatched", arrival
        rule = None if arrival.is_own else arrival.choose_rule(self._settings.rules)
        if rule is None:
            self._spool.ignore(arrival, _OWN if arrival.is_own else _UNWANTED)
            return StoreStatus.SUCCESS, "ignored", arrival
        if not self._spool.receive(arrival, rule.name):
            return StoreStatus.SUCCESS, "known", arrival
        self._on_new()
        return StoreStatus.SUCCESS, "new", arrival

    def _has_room(self, size: int) -> bool:
        limits = self._settings.spool
        waiting = self._spool.count(State.WAITING)
        return waiting < limits.most_waiting and self._spool.free_bytes() - size >= limits.least_free


_OUTCOMES = {StoreStatus.SUCCESS: Outcome.SUCCESS, StoreStatus.OUT_OF_RESOURCES: Outcome.MINOR_FAILURE}
