"""Log lines: one JSON object each, of fields that this project names, and nothing that a caller sent.

Libraries log what they were given, and a radiograph comes with a patient. So a line of another logger keeps its
logger's name and its place, and loses its text; an exception keeps its type and its places, and loses its message.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from cxrshift.errors import InvalidRequest

_OURS = "cxrshift"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

LogField = str | int | float | None


def log_event(logger: logging.Logger, event: str, *, level: int = logging.INFO, **fields: LogField) -> None:
    """Log one event with its fields. Neither may hold a caller's data; a request id that was checked may be told."""
    logger.log(level, event, extra={"event_fields": fields})


def describe_fault(error: BaseException) -> str:
    """Where an exception happened, in one line, without its text, which may quote the caller's data."""
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__} at {' > '.join(places)}"


def settle_request_id(given: str | None) -> str:
    """The caller's request id, or a new one where it gave none. Raises InvalidRequest for one that no log may hold."""
    if not given:
        return new_request_id()
    if not _REQUEST_ID.fullmatch(given):
        raise InvalidRequest("x-request-id must be 1 to 64 characters of A-Z, a-z, 0-9, dot, underscore and hyphen.")
    return given


def new_request_id() -> str:
    """A request id that no other request has."""
    return secrets.token_hex(8)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, LogField] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name.partition(".")[0] == _OURS:
            line |= {"event": record.msg, **getattr(record, "event_fields", {})}
        else:
            line |= {"event": "library", "logger": record.name, "place": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[1]:
            line["fault"] = describe_fault(record.exc_info[1])
        return json.dumps(line)


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send every logger's lines to ``stream``, or standard output, as JSON; libraries speak only of warnings."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level)
