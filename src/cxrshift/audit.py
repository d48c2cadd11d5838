"""Who did what to which study, as DICOM audit messages (PS3.15 A.5): one XML document a line, in a file of their own.

The patient's own entry, which the standard would have beside the study, is left out: no patient attribute is written
anywhere. The study's UID leads to it in the archive.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias
from xml.etree.ElementTree import Element, SubElement, tostring

from cxrshift.telemetry import log_event

logger = logging.getLogger("cxrshift.audit")

SOURCE_ID = "cxrshift"
Code: TypeAlias = tuple[str, str]
"""Value and meaning, in the DICOM controlled terminology."""


class Action(StrEnum):
    """What was done."""

    RECEIVED = "received"
    """A radiograph came in."""
    SENT = "sent"
    """Results went to an archive."""
    EXPLAINED = "explained"
    """A radiograph was looked at by a model."""
    STARTED = "started"
    """The program began."""
    STOPPED = "stopped"
    """The program ended."""
    TURNED_AWAY = "turned away"
    """A caller was not let in."""


class Outcome(IntEnum):
    """How it ended (PS3.15 A.5.1, EventOutcomeIndicator)."""

    SUCCESS = 0
    """It was done."""
    MINOR_FAILURE = 4
    """It may be tried again."""
    SERIOUS_FAILURE = 8
    """It was given up or refused."""


@dataclass(frozen=True)
class AuditRecord:
    """One access."""

    action: Action
    actor: str
    """AE title, URL or service address of who asked: the sender of what was received, else this bridge."""
    peer: str
    """The other side, as ``actor``; empty where there is none."""
    outcome: Outcome
    at: datetime
    study_instance_uid: str = ""
    network_address: str = ""
    """The actor's host, where it is known."""


@dataclass(frozen=True)
class _Event:
    """How an action is written (PS3.15 A.5.3; codes of PS3.16 CID 400 to 402)."""

    event_id: Code
    action_code: str
    event_type: Code | None = None
    actor_role: Code | None = None
    peer_role: Code | None = None


_TRANSFERRED = _Event(
    event_id=("110104", "DICOM Instances Transferred"),
    action_code="C",
    actor_role=("110153", "Source Role ID"),
    peer_role=("110152", "Destination Role ID"),
)
_ACTIVITY, _APPLICATION = ("110100", "Application Activity"), ("110150", "Application")
_EVENTS = {
    Action.RECEIVED: _TRANSFERRED,
    Action.SENT: _TRANSFERRED,
    Action.EXPLAINED: _Event(("110103", "DICOM Instances Accessed"), "R"),
    Action.STARTED: _Event(_ACTIVITY, "E", ("110120", "Application Start"), _APPLICATION),
    Action.STOPPED: _Event(_ACTIVITY, "E", ("110121", "Application Stop"), _APPLICATION),
    Action.TURNED_AWAY: _Event(("110113", "Security Alert"), "E", ("110126", "Node Authentication")),
}


def to_xml(record: AuditRecord) -> bytes:
    """The record as an AuditMessage of PS3.15 A.5.1, on one line."""
    written = _EVENTS[record.action]
    message = Element("AuditMessage")
    event = SubElement(
        message,
        "EventIdentification",
        EventActionCode=written.action_code,
        EventDateTime=record.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=str(int(record.outcome)),
    )
    _code(event, "EventID", written.event_id)
    if written.event_type:
        _code(event, "EventTypeCode", written.event_type)
    _participant(message, record.actor, written.actor_role, is_requestor=True, address=record.network_address)
    if record.peer:
        _participant(message, record.peer, written.peer_role, is_requestor=False)
    SubElement(message, "AuditSourceIdentification", AuditSourceID=SOURCE_ID)
    if record.study_instance_uid:
        study = SubElement(
            message,
            "ParticipantObjectIdentification",
            ParticipantObjectID=record.study_instance_uid,
            ParticipantObjectTypeCode="2",
            ParticipantObjectTypeCodeRole="3",
        )
        _code(study, "ParticipantObjectIDTypeCode", ("110180", "Study Instance UID"))
    line: bytes = tostring(message, encoding="utf-8", xml_declaration=False)
    return line


class AuditTrail:
    """Appends to one file, which its owner alone may read: ``with AuditTrail(path) as trail``. Safe in threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self._file)

    def write(self, record: AuditRecord) -> None:
        """Append one record, whole or not at all.

        Where the disk does not take it the log tells so: what was done is done, and a caller keeps its answer.
        """
        line = to_xml(record) + b"\n"
        try:
            with self._lock:
                self._append(line)
        except OSError as error:
            log_event(logger, "audit record lost", level=logging.ERROR, reason=error.strerror)

    def _append(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written < len(line):  # the disk became full in the middle of it
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _code(parent: Element, tag: str, code: Code) -> None:
    value, meaning = code
    SubElement(parent, tag, {"csd-code": value, "codeSystemName": "DCM", "originalText": meaning})


def _participant(message: Element, user: str, role: Code | None, *, is_requestor: bool, address: str = "") -> None:
    attributes = {"UserID": user, "UserIsRequestor": str(is_requestor).lower()}
    if address:
        attributes |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": "2"}
    participant = SubElement(message, "ActiveParticipant", attributes)
    if role:
        _code(participant, "RoleIDCode", role)
