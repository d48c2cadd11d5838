"""Making a model folder: beside its place first, and into it only when it has been checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ModelError
from .folders import user_models_folder
from .manifest import FILE_NAME


def place_of(name: str, out: Path | None) -> Path:
    """Where a model of that name is made: below ``out``, by default the user's models folder, which names mean."""
    return (user_models_folder() if out is None else out) / name


@contextmanager
def staged_folder(name: str, out: Path | None) -> Iterator[Path]:
    """An empty folder that becomes ``place_of(name, out)`` when the block ends well, and is gone when it does not.

    A model of that name that is already there is replaced. Raises ModelError where something else is there.
    """
    target = place_of(name, out)
    if target.exists() and not (target / FILE_NAME).is_file():
        raise ModelError(f"{target} is there already and is no model folder; move it away or choose another folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=target.parent) as staging:
        folder = Path(staging) / name
        folder.mkdir()
        yield folder
        with suppress(FileNotFoundError):
            target.rename(Path(staging) / "replaced")
        folder.rename(target)
