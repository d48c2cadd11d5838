"""Whether there is room where the service writes, and whether it may write there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .checks import Check, State
from .hardware import say_bytes

TOPIC = "Disk"
_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Place:
    """A folder that something writes into; it need not be there yet."""

    name: str
    folder: Path
    least: int
    """Bytes without which nothing works there."""
    ample: int
    """Bytes below which it may soon be full."""
    remedy: str
    """How another place is chosen."""


def written_places(
    environment: Mapping[str, str], cache: Path, spool: tuple[Path, int] | None = None
) -> Sequence[Place]:
    """The user's models, the exports, temporary files, and with ``spool`` a bridge's folder and its ``least_free``."""
    from ..models.folders import DATA_VARIABLE, user_models_folder

    places = [
        Place("models", user_models_folder(environment), 100 * _MIB, _GIB, f"name another in {DATA_VARIABLE}"),
        Place("exports", cache, 100 * _MIB, _GIB, "name another in CXRSHIFT_EXPORT_CACHE"),
        Place("temporary", Path(tempfile.gettempdir()), 200 * _MIB, 2 * _GIB, "name another in TMPDIR"),
    ]
    if audit := environment.get("CXRSHIFT_AUDIT_FILE"):
        places.append(Place("audit", Path(audit).parent, 10 * _MIB, _GIB, "name another in CXRSHIFT_AUDIT_FILE"))
    if spool:
        folder, least = spool
        places.append(Place("spool", folder, least, 2 * least, "name another in the bridge's [spool]"))
    return places


def check_disk(places: Sequence[Place], free: Callable[[Path], int] | None = None) -> Iterator[Check]:
    """A check for each place. ``free`` tells the bytes that are free where a folder lies."""
    return (check_place(place, free or free_bytes) for place in places)


def check_place(
    place: Place,
    free: Callable[[Path], int],
    may_write: Callable[[Path], bool] = lambda folder: os.access(folder, os.W_OK | os.X_OK),
) -> Check:
    """Whether the place can be written to, and has room."""
    there = nearest_folder(place.folder)
    if there is None or not there.is_dir():
        return Check(
            TOPIC, place.name, State.FAIL, f"{there or place.folder} is no folder", _remedy(place, "Move it, or")
        )
    if not may_write(there):
        remedy = _remedy(place, "Let this user write there, or")
        return Check(TOPIC, place.name, State.FAIL, f"{there} may not be written to", remedy)
    room = free(there)
    found = f"{say_bytes(room)} free in {place.folder}"
    if room < place.least:
        return Check(TOPIC, place.name, State.FAIL, f"{found}, {say_bytes(place.least)} are needed", _remedy(place))
    if room < place.ample:
        return Check(TOPIC, place.name, State.WARN, found, _remedy(place))
    return Check(TOPIC, place.name, State.OK, found)


def nearest_folder(path: Path) -> Path | None:
    """The path itself where it exists, else the nearest of its parents that does."""
    return next((each for each in (path.absolute(), *path.absolute().parents) if each.exists()), None)


def free_bytes(folder: Path) -> int:
    """What this user may still write where the folder lies."""
    return shutil.disk_usage(folder).free


def _remedy(place: Place, first: str = "Delete what is not needed, or") -> str:
    return f"{first} {place.remedy}."
