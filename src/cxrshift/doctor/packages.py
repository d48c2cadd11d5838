"""Python and the extras that are installed, from the package's own metadata."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from .checks import Check, State

TOPIC = "Python"
OLDEST, NEWEST = (3, 11), (3, 13)

PURPOSES = {
    "cli": "the command's other parts",
    "image": "reading DICOM, PNG and JPEG here",
    "render": "pictures, animations and videos",
    "pacs": "DICOM objects of explanations",
    "engine": "explaining in this process, with --local",
    "gateway": "the gateway over REST and gRPC",
    "server": "the whole service: cxrshift serve",
    "traces": "OpenTelemetry traces",
    "bridge": "the bridge to a PACS: cxrshift pacs",
    "xrv": "torchxrayvision's models",
    "onnx": "ONNX classifiers of your own",
    "runtimes": "ONNX Runtime and OpenVINO, faster on a CPU",
    "gpu": "ONNX Runtime and TensorRT on a GPU",
    "train": "training and evaluating models",
    "study": "reader studies in browsers: cxrshift study",
    "notebook": "examples/explain.ipynb",
}
"""The extras that people install, and what for; not those that the project itself is made with."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_BOUND = re.compile(r"(>=|<|==)\s*([0-9][0-9.]*)")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


@dataclass(frozen=True)
class Requirement:
    """A package that an extra needs, and between which versions."""

    package: str
    bounds: tuple[tuple[str, str], ...]
    extra: str
    """Empty = the base install."""

    def allows(self, version: str) -> bool:
        """Whether the version's numbers lie within the bounds."""
        own = _numbers(version)
        return all(_HOLDS[sign](own, _numbers(bound)) for sign, bound in self.bounds)


_HOLDS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": lambda own, bound: own >= bound,
    "<": lambda own, bound: own < bound,
    "==": lambda own, bound: own[: len(bound)] == bound,
}


def installed_version(package: str) -> str | None:
    """The installed version of a distribution; None where it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def stated_requirements() -> Sequence[str]:
    """What this package's metadata says that it needs."""
    return metadata.requires("cxrshift") or ()


def check_python(version: tuple[int, int, int] = sys.version_info[:3], executable: str = sys.executable) -> Check:
    """Whether Python is one that this runs on."""
    found = f"Python {'.'.join(map(str, version))} at {executable}"
    if OLDEST <= version[:2] <= NEWEST:
        return Check(TOPIC, "Python", State.OK, found)
    return Check(TOPIC, "Python", State.FAIL, found, "Install into an environment of Python 3.11 to 3.13.")


def check_extras(
    stated: Sequence[str] | None = None, version_of: Callable[[str], str | None] = installed_version
) -> Iterator[Check]:
    """The base install, the extras that are whole in a line, and one for each that is not."""
    needs = [parse_requirement(text) for text in (stated_requirements() if stated is None else stated)]
    yield _check_base([need for need in needs if not need.extra], version_of)
    whole, troubles = [], []
    for extra, purpose in PURPOSES.items():
        own = [need for need in needs if need.extra == extra]
        missing = [need.package for need in own if version_of(need.package) is None]
        wrong = [need.package for need in own if not need.allows(version_of(need.package) or need.bounds[0][1])]
        if missing:
            troubles.append(_tell(extra, State.SKIP, f"for {purpose}: {_list(missing)} missing"))
        elif wrong:
            troubles.append(_tell(extra, State.WARN, f"of another version than is asked for: {_list(wrong)}"))
        else:
            whole.append(extra)
    yield Check(TOPIC, "extras", State.OK, f"installed: {', '.join(whole) or 'none; this is the client alone'}")
    yield from troubles


def parse_requirement(text: str) -> Requirement:
    """``pillow>=11; extra == "image"`` as a Requirement; other conditions are passed over."""
    what, _, condition = text.partition(";")
    name = _NAME.match(what.strip())
    extra = _EXTRA.search(condition)
    bounds = tuple((sign, bound) for sign, bound in _BOUND.findall(what))
    return Requirement(name.group() if name else what.strip(), bounds, extra.group(1) if extra else "")


def _check_base(needs: Sequence[Requirement], version_of: Callable[[str], str | None]) -> Check:
    missing = [need.package for need in needs if version_of(need.package) is None]
    own = version_of("cxrshift") or "not installed"
    if missing:
        return Check(TOPIC, "cxrshift", State.FAIL, f"{own}, without {_list(missing)}", "pip install cxrshift")
    return Check(TOPIC, "cxrshift", State.OK, f"version {own}")


def _tell(extra: str, state: State, found: str) -> Check:
    return Check(TOPIC, f"extra {extra}", state, found, f"pip install 'cxrshift[{extra}]'")


def _list(names: Sequence[str]) -> str:
    few = ", ".join(names[:3])
    return f"{few} and {len(names) - 3} more" if len(names) > 3 else few


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
