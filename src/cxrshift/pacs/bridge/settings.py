"""The bridge's settings: read once from one TOML file into one frozen object."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from cxrshift.config import ModelName, Port, Seconds
from cxrshift.errors import CxrshiftError
from cxrshift_api.types import Profile

from ..results import DEFAULT_KINDS, ObjectKind

AeTitle = Annotated[str, StringConstraints(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
"""1 to 16 printable ASCII characters without a backslash, and no space at either end (PS3.5, VR AE)."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class SettingsError(CxrshiftError):
    """The bridge's TOML file is missing, malformed or contradicts itself."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Certificate(_Table):
    """One side of a TLS connection, as PEM files."""

    certificate: Path | None = None
    """What this side shows of itself."""
    key: Path | None = None
    """The certificate's private key."""
    trusted: Path | None = None
    """What the other side must show: of a listener none = it need not show anything; of a sender = the system's own."""

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self


class ServiceSettings(_Table):
    """The running cxrshift service."""

    address: str = "grpc://127.0.0.1:8001"
    """grpc://, grpcs://, http:// or https://."""
    token_file: Path | None = None
    """Holds the API key or token that this bridge shows; read again for each call."""
    tls: Certificate = Certificate()
    timeout: Seconds = 300.0
    """Seconds for one explanation, waiting included."""
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    """Radiographs that are explained at the same time."""


class SpoolSettings(_Table):
    """Where what was received stands until its results are delivered, and how often a step is tried."""

    folder: Path
    first_wait: Seconds = 2.0
    """Seconds before a failed step is tried again; doubled each time."""
    longest_wait: Seconds = 300.0
    """Seconds that such a wait grows to at most."""
    give_up_after: Seconds = 3 * 86400.0
    """Seconds from the arrival; what is not delivered by then becomes a dead letter."""
    remember: Seconds = 90 * 86400.0
    """Seconds that a finished radiograph is known, so that it is not explained again when it is sent again."""
    most_waiting: Annotated[int, Field(ge=1)] = 10_000
    """Radiographs that wait; the next is refused as out of resources, and its sender tries again."""
    least_free: Annotated[int, Field(ge=0)] = 1 << 30
    """Bytes that must stay free on the disk; below, radiographs are refused in the same way."""


class ScpSettings(_Table):
    """Receives by C-STORE."""

    ae_title: AeTitle = "CXRSHIFT"
    host: str = "127.0.0.1"
    port: Port = 11112
    """TCP port."""
    callers: Annotated[tuple[AeTitle | Literal["*"], ...], Field(min_length=1)]
    """AE titles that may call; ``["*"]`` = any."""
    most_associations: Annotated[int, Field(ge=1)] = 16
    """How many associations are held at once; the next is rejected."""
    tls: Certificate | None = None
    """With it, TLS is the only way in."""


class StowSettings(_Table):
    """Receives by STOW-RS at ``/dicom-web/studies``."""

    host: str = "127.0.0.1"
    port: Port = 8080
    """TCP port."""
    most_bytes: Annotated[int, Field(ge=1024)] = 256 << 20
    """Largest request, in bytes."""
    tls: Certificate | None = None


class DimseDestination(_Table):
    """An archive that takes results by C-STORE."""

    kind: Literal["dimse"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    """TCP port."""
    ae_title: AeTitle
    calling_ae_title: AeTitle = "CXRSHIFT"
    timeout: Seconds = 30.0
    """Seconds for each answer of the archive."""
    tls: Certificate | None = None


class StowDestination(_Table):
    """An archive that takes results by STOW-RS."""

    kind: Literal["stow"]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    """Of the DICOMweb service: what stands before ``/studies``."""
    token_file: Path | None = None
    """Holds what is sent as a bearer token."""
    timeout: Seconds = 30.0
    """Seconds for each answer of the archive."""
    tls: Certificate | None = None


Destination = Annotated[DimseDestination | StowDestination, Field(discriminator="kind")]


class Match(_Table):
    """Which radiographs a rule is for: each list that is not empty must have a pattern that fits.

    ``*`` and ``?`` stand for any text and any character; upper and lower case are the same. "" fits what is not stated.
    """

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    station_name: tuple[str, ...] = ()
    study_description: tuple[str, ...] = ()
    caller: tuple[str, ...] = ()
    """AE title of the sender; ``stow`` where it came by STOW-RS."""

    def fits(self, **facts: str) -> bool:
        """Whether every list has a pattern for the fact of its name."""
        return all(_fits(getattr(self, name), fact) for name, fact in facts.items())


class Rule(_Table):
    """What becomes of a radiograph. The first rule that matches decides; what none matches is not explained."""

    name: Name
    match: Match = Match()
    model: ModelName | Literal[""] = ""
    """Empty = the service's default."""
    findings: tuple[str, ...] = ()
    """None = every finding at or above its operating point, else the highest."""
    profile: Profile = Profile.TWO_SIDED
    frames: Annotated[int, Field(ge=2, le=101)] | None = None
    """Number of frames, 2 to 101; none = the profile's own."""
    objects: Annotated[tuple[ObjectKind, ...], Field(min_length=1)] = DEFAULT_KINDS
    send_to: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of destinations."""
    unsuitable: Literal["warn", "reject"] = "warn"
    """A lateral view, another part of the body, or an image unlike the training radiographs: results that say so, or
    none."""


class MetricsSettings(_Table):
    """Where Prometheus asks."""

    host: str = "127.0.0.1"
    port: Port = 8003
    """TCP port."""


class BridgeSettings(_Table):
    """How one bridge runs."""

    service: ServiceSettings = ServiceSettings()
    spool: SpoolSettings
    scp: ScpSettings | None = None
    stow: StowSettings | None = None
    destinations: Annotated[dict[Name, Destination], Field(min_length=1)]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    metrics: MetricsSettings = MetricsSettings()
    audit_file: Path | None = None
    """Where audit messages are appended; none = audit.xml in the spool's folder."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: Seconds = 30.0
    """Seconds that what was begun may take to end after SIGTERM; what does not is done again at the next start."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.scp is None and self.stow is None:
            raise ValueError("there is no way in: add a table [scp] or [stow]")
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules must have names of their own")
        if missing := {name for rule in self.rules for name in rule.send_to} - set(self.destinations):
            raise ValueError(f"send_to names what is not among destinations: {', '.join(sorted(missing))}")
        return self

    @property
    def audit(self) -> Path:
        """Where audit messages are appended."""
        return self.audit_file or self.spool.folder / "audit.xml"

    def rule(self, name: str) -> Rule | None:
        """The rule of that name, None where it is gone."""
        return next((rule for rule in self.rules if rule.name == name), None)


def load_settings(path: Path) -> BridgeSettings:
    """The settings in a TOML file; relative paths in it are relative to its folder. Raises SettingsError."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; docs/pacs.md has an example to start from.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not a TOML file: {error}") from error
    try:
        return _under(BridgeSettings.model_validate(given), path.parent)
    except ValidationError as error:
        lines = [_say(each["loc"], each["msg"]) for each in error.errors(include_url=False, include_input=False)]
        raise SettingsError("\n".join(f"{path}: {line}" for line in lines)) from error


def make_destination(where: str, *, called: str, calling: str) -> Destination:
    """The destination that ``HOST:PORT`` or a URL names; AE titles count for the first alone. Raises SettingsError."""
    try:
        if where.startswith(("http://", "https://")):
            return StowDestination(kind="stow", url=where)
        host, _, port = where.rpartition(":")
        return DimseDestination.model_validate(
            {"kind": "dimse", "host": host, "port": port, "ae_title": called, "calling_ae_title": calling}
        )
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{where}: {_say(fault['loc'], fault['msg'])}; write HOST:PORT or a URL.") from error


def _under(settings: BridgeSettings, folder: Path) -> BridgeSettings:
    """The settings with every relative path made one under ``folder``."""

    def move(table: Any) -> Any:
        if isinstance(table, Path):
            return folder / table
        if isinstance(table, _Table):
            return table.model_copy(update={name: move(value) for name, value in table})
        return {name: move(value) for name, value in table.items()} if isinstance(table, dict) else table

    moved: BridgeSettings = move(settings)
    return moved


def _say(place: tuple[str | int, ...], message: str) -> str:
    where = ".".join(str(part) for part in place)
    return f"{where}: {message}" if where else message.removeprefix("Value error, ")


def _fits(patterns: tuple[str, ...], fact: str) -> bool:
    return not patterns or any(fnmatchcase(fact.upper(), pattern.upper()) for pattern in patterns)
