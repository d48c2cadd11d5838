"""Where model folders are. Needs neither torch nor numpy: a shell's completion asks too.

A name is looked up in, in this order: ``$CXRSHIFT_MODEL_STORE``; the user's own models, which ``cxrshift models pull``
and ``import`` write (``$CXRSHIFT_DATA_HOME/models``, by default the platform's place for application data); the models
that came with this package.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from .names import FILE_NAME, NAME_PATTERN

STORE_VARIABLE = "CXRSHIFT_MODEL_STORE"
DATA_VARIABLE = "CXRSHIFT_DATA_HOME"

_PACKAGE = Path(__file__).resolve().parents[1]


def model_roots(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The folders that hold model folders, first come first; not all of them need exist."""
    store = environment.get(STORE_VARIABLE)
    return (*((Path(store),) if store else ()), user_models_folder(environment), shipped_models_folder())


def user_models_folder(environment: Mapping[str, str] = os.environ, *, platform: str = sys.platform) -> Path:
    """Where pulled and imported models are kept; need not exist yet."""
    if home := environment.get(DATA_VARIABLE):
        return Path(home) / "models"
    return _data_home(environment, platform) / "cxrshift" / "models"


def shipped_models_folder(package: Path = _PACKAGE) -> Path:
    """The models that came with the package: inside an installed wheel, beside ``src`` in a checkout."""
    checkout = package.parents[1] / "model_store"
    installed = package / "model_store"
    return checkout if package.parent.name == "src" and not installed.is_dir() else installed


def known_models(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Every model folder that a name can mean, by name; a name in two roots means the first root's."""
    found: dict[str, Path] = {}
    for root in model_roots(environment):
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if re.fullmatch(NAME_PATTERN, folder.name) and (folder / FILE_NAME).is_file():
                found.setdefault(folder.name, folder)
    return tuple(found[name] for name in sorted(found))


def find_model(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the model of that name, which fits NAME_PATTERN. Raises ModelError, which lists those there."""
    from ..errors import ModelError

    known = {folder.name: folder for folder in known_models(environment)}
    if name not in known:
        there = ", ".join(known) or "none"
        near = get_close_matches(name, known, 1, 0.5)
        meant = f" Do you mean {near[0]}?" if near else ""
        raise ModelError(
            f"No model named {name} is installed.{meant} Installed are: {there}. A folder is written ./NAME."
        )
    return known[name]


def _data_home(environment: Mapping[str, str], platform: str) -> Path:
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if platform == "darwin":
        return Path.home() / "Library/Application Support"
    stated = Path(environment.get("XDG_DATA_HOME") or "")
    return stated if stated.is_absolute() else Path.home() / ".local/share"  # the XDG rule: a relative one is ignored
