"""Java and TorchServe, looked up the very way that ``cxrshift serve`` does."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from .checks import Check, State
from .packages import installed_version

TOPIC = "Serving"
OLDEST_JAVA = 17
"""What TorchServe 0.12 is installed with by its own documents."""
TORCHSERVE = "0.12.0"
_SECONDS = 20.0
_REMEDY = "pip install --force-reinstall 'cxrshift[server]'"


def check_frontend(
    find_java: Callable[[], Path] | None = None, folder_of: Callable[[], Path | None] | None = None
) -> Iterator[Check]:
    """TorchServe and the Java that it runs in; skipped in an install that is not for serving."""
    folder = (folder_of or torchserve_folder)()
    yield _check_torchserve(folder)
    yield check_java(find_java or _find_java, wanted=folder is not None)


def torchserve_folder() -> Path | None:
    """Where TorchServe is installed; it is not imported."""
    spec = find_spec("ts")
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def check_java(find_java: Callable[[], Path], *, wanted: bool) -> Check:
    """Whether the Java that serving takes is there, starts, and is recent enough."""
    from ..serving.torchserve import MissingJava

    try:
        java = find_java()
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except MissingJava:
        state = State.FAIL if wanted else State.SKIP
        return Check(TOPIC, "Java", state, "not installed; serving needs it", "pip install 'cxrshift[server]'")
    except (OSError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) else f"no answer within {_SECONDS:.0f} s"
        return Check(TOPIC, "Java", State.FAIL, f"{java} does not start: {why}", _REMEDY)
    version = re.search(r'version "(\d+)([^"]*)"', done.stderr + done.stdout)
    if done.returncode or not version:
        return Check(TOPIC, "Java", State.FAIL, f"{java} ends with code {done.returncode}", _REMEDY)
    found = f"Java {version.group(1)}{version.group(2)} at {java}"
    if int(version.group(1)) < OLDEST_JAVA:
        return Check(TOPIC, "Java", State.FAIL, f"{found}; TorchServe needs {OLDEST_JAVA} or later", _REMEDY)
    return Check(TOPIC, "Java", State.OK, found)


def _check_torchserve(folder: Path | None) -> Check:
    if folder is None:
        return Check(
            TOPIC, "TorchServe", State.SKIP, "not installed; cxrshift serve needs it", "pip install 'cxrshift[server]'"
        )
    version = installed_version("torchserve") or "of an unknown version"
    if not any((folder / "frontend").glob("*.jar")):
        return Check(TOPIC, "TorchServe", State.FAIL, f"{version}, without its front end's .jar", _REMEDY)
    if version != TORCHSERVE:
        return Check(TOPIC, "TorchServe", State.WARN, f"{version}; {TORCHSERVE} is the one tested", _REMEDY)
    return Check(TOPIC, "TorchServe", State.OK, f"TorchServe {version}")


def _find_java() -> Path:
    from ..serving.torchserve import find_java

    return find_java()
