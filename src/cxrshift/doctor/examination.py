"""The whole examination: every subject, several at once, told in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import CxrshiftError
from . import frontend, models, packages, ports, runtimes
from .certificates import TOPIC as CERTIFICATES
from .certificates import check_certificates
from .checks import Check, Report, State, Subject, look_into
from .clock import check_clock
from .disk import TOPIC as DISK
from .disk import check_disk, written_places
from .graphics import check_graphics
from .hardware import TOPIC as MACHINE
from .hardware import check_hardware
from .service import TOPIC as SERVICE
from .service import Answer, OpenClient, ask, check_service, identify, service_time
from .variables import TOPIC as SETTINGS
from .variables import check_variables

_AT_ONCE = 8


@dataclass(frozen=True)
class Plan:
    """What is examined."""

    open_client: OpenClient
    url: str = ""
    """The service to ask; empty = that of CXRSHIFT_SERVER, else the one that may run here."""
    bridge: Path | None = None
    """A bridge's TOML file, whose spool and ports are looked at too."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def subjects(plan: Plan) -> Sequence[Subject]:
    """Everything that is looked at, in the order in which it is told."""
    environment, cache = plan.environment, export_cache(plan.environment)
    asked = partial(ask, open_client=plan.open_client)
    schemes = ("https", "grpcs") if environment.get("CXRSHIFT_TLS_CERTIFICATE") else ("http", "grpc")
    there = (*ports.service_ports(environment), *_bridge_ports(plan.bridge))
    url, named = _service_url(plan, there, schemes[0])
    known = partial(identify, ask_at=asked, schemes=schemes)
    return (
        Subject(packages.TOPIC, lambda: (packages.check_python(), *packages.check_extras())),
        Subject(frontend.TOPIC, frontend.check_frontend),
        Subject(runtimes.TOPIC, runtimes.check_runtimes),
        Subject(MACHINE, check_hardware),
        Subject(MACHINE, check_graphics),
        Subject(MACHINE, lambda: (check_clock(theirs=service_time(url)),)),
        Subject(models.TOPIC, lambda: models.check_models(environment, cache)),
        *(Subject(ports.TOPIC, partial(_check_port, port, known)) for port in there if port.number),
        Subject(SERVICE, lambda: _check_service(url, asked, named=named)),
        Subject(SETTINGS, lambda: check_variables(environment)),
        Subject(SETTINGS, lambda: _check_bridge(plan.bridge)),
        Subject(CERTIFICATES, lambda: check_certificates(environment)),
        Subject(DISK, lambda: check_disk(written_places(environment, cache, _spool(plan.bridge)))),
    )


def examine(
    parts: Sequence[Subject], told: Callable[[str, int, int], None] = lambda topic, done, total: None
) -> Report:
    """Look into every part, several at once; ``told`` hears the topic, how many are done, and of how many."""
    checks: list[Check] = []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
        for done, (part, found) in enumerate(zip(parts, pool.map(look_into, parts), strict=True), 1):
            checks.extend(found)
            told(part.topic, done, len(parts))
    return Report(tuple(checks))


def export_cache(environment: Mapping[str, str]) -> Path:
    """Where exports are kept, as runtime.exports finds it, without torch."""
    if own := environment.get("CXRSHIFT_EXPORT_CACHE"):
        return Path(own)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cxrshift/exports"


def _service_url(plan: Plan, there: Sequence[ports.Port], scheme: str) -> tuple[str, bool]:
    """The service to ask, and whether somebody named it."""
    if url := plan.url or plan.environment.get("CXRSHIFT_SERVER", ""):
        return url, True
    host = "127.0.0.1" if there[0].host in ("0.0.0.0", "::", "") else there[0].host
    return f"{scheme}://{host}:{there[0].number}", False


def _check_port(port: ports.Port, known: Callable[[ports.Port], str]) -> Iterable[Check]:
    return (ports.check_port(port, known),)


def _check_service(url: str, asked: Callable[[str], Answer], *, named: bool) -> Iterable[Check]:
    return check_service(url, asked(url), named=named)


def _bridge_ports(config: Path | None) -> Sequence[ports.Port]:
    if config is None:
        return ()
    from ..pacs.bridge.settings import load_settings

    try:
        settings = load_settings(config)
    except (ImportError, CxrshiftError):
        return ()  # _check_bridge says why
    found = [ports.Port("bridge metrics", settings.metrics.host, settings.metrics.port, f"[metrics] of {config}")]
    if settings.scp:
        found.append(ports.Port("bridge C-STORE", settings.scp.host, settings.scp.port, f"[scp] of {config}"))
    if settings.stow:
        found.append(ports.Port("bridge STOW-RS", settings.stow.host, settings.stow.port, f"[stow] of {config}"))
    return found


def _spool(config: Path | None) -> tuple[Path, int] | None:
    if config is None:
        return None
    from ..pacs.bridge.settings import load_settings

    try:
        spool = load_settings(config).spool
    except CxrshiftError:
        return None
    return spool.folder, spool.least_free


def _check_bridge(config: Path | None) -> Iterable[Check]:
    if config is None:
        return ()
    from ..pacs.bridge.settings import load_settings

    try:
        settings = load_settings(config)
    except CxrshiftError as error:
        remedy = "docs/pacs.md has an example to start from."
        return (Check(SETTINGS, config.name, State.FAIL, " ".join(str(error).split()), remedy),)
    return (Check(SETTINGS, config.name, State.OK, f"{len(settings.rules)} rules, spool in {settings.spool.folder}"),)
