"""API keys: ``cxr_<id>_<secret>``, kept as hashes in a TOML file that may change while the service runs.

A secret of 256 random bits cannot be guessed, so SHA-256 is hash enough: slow hashes are for what people think up.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cxrshift.errors import CxrshiftError, Unauthenticated
from cxrshift.gateway.access.callers import Caller, Role
from cxrshift.telemetry import log_event

PREFIX = "cxr_"
_HEAD = """\
# API keys of cxrshift: `cxrshift keys` writes this file, and a running gateway reads it again when it changes.
# It holds hashes. A key itself was shown once, when it was made.
"""
_LOOK_SECONDS = 1.0
_NOBODY = "0" * 64

logger = logging.getLogger("cxrshift.access")


class KeyFileError(CxrshiftError):
    """The file of API keys cannot be read. Its text is for an operator."""


class StoredKey(BaseModel):
    """One key, as its file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$")]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created: date
    expires: date | None = None
    """The first day on which it no longer holds (UTC)."""

    def to_toml(self) -> str:
        """The key's table."""
        roles = ", ".join(f'"{role}"' for role in self.roles)
        lines = [f'id = "{self.id}"', f'name = "{self.name}"', f"roles = [{roles}]", f'sha256 = "{self.sha256}"']
        lines.append(f"created = {self.created.isoformat()}")
        if self.expires:
            lines.append(f"expires = {self.expires.isoformat()}")
        return "\n[[keys]]\n" + "\n".join(lines) + "\n"


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: ``text`` is told once and kept nowhere."""

    text: str
    stored: StoredKey


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[StoredKey, ...] = ()


def make_key(name: str, roles: Iterable[Role], *, expires: date | None = None) -> NewKey:
    """A new random key. Raises KeyFileError for a name that no file may hold."""
    key_id = secrets.token_hex(4)
    text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    try:
        stored = StoredKey(
            id=key_id, name=name, roles=tuple(roles), sha256=_digest(text), created=_today(), expires=expires
        )
    except ValidationError as error:
        raise KeyFileError(
            "A key needs at least one role, and a name of 1 to 64 letters, digits, spaces and . _ @ -"
        ) from error
    return NewKey(text, stored)


def read_keys(path: Path) -> tuple[StoredKey, ...]:
    """The keys in a file. Raises KeyFileError."""
    try:
        return _KeyFile.model_validate(tomllib.loads(path.read_text("utf-8"))).keys
    except OSError as error:
        raise KeyFileError(f"The file of API keys cannot be read: {path} ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeyFileError(f"The file of API keys is not TOML: {path}.") from error
    except ValidationError as error:
        places = "; ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise KeyFileError(f"The file of API keys is malformed: {path}: {places}.") from error


def write_keys(path: Path, keys: Iterable[StoredKey]) -> None:
    """Write the file whole, readable by its owner alone. Raises OSError."""
    partial = path.with_name(f".{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(_HEAD + "".join(key.to_toml() for key in keys))
    os.replace(partial, path)  # noqa: PTH105 - the atomic one


class KeyRing:
    """The keys of a file, read again when it changes; a change that cannot be read leaves the keys as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = {key.id: key for key in read_keys(path)}
        self._state = self._look()
        self._looked = time.monotonic()

    def find(self, text: str) -> Caller:
        """Whose key ``text`` is. Raises Unauthenticated."""
        self._refresh()
        key = self._keys.get(text.removeprefix(PREFIX).partition("_")[0])
        # An id that nobody has takes the same work as one that somebody has.
        matches = hmac.compare_digest(_digest(text), key.sha256 if key else _NOBODY)
        if key is None or not matches:
            raise Unauthenticated("The API key is not one of this service's; ask whoever runs it for one.")
        if key.expires and _today() >= key.expires:
            raise Unauthenticated("The API key has expired; ask whoever runs this service for a new one.")
        return Caller(f"key:{key.id}", key.name, frozenset(key.roles))

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = {key.id: key for key in read_keys(self._path)}
        except KeyFileError:
            log_event(logger, "API keys cannot be read; the ones read before stay", level=logging.ERROR)
        else:
            log_event(logger, "API keys read again", keys=len(self._keys))

    def _look(self) -> tuple[int, int, int] | None:
        """What changes when the file does, whether it is written over or, as in Kubernetes, replaced."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _today() -> date:
    return datetime.now(UTC).date()
