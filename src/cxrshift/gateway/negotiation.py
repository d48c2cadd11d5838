"""Content negotiation by the Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class MediaRange:
    """One member of an Accept header."""

    kind: str
    subtype: str
    q: float
    """Weight in [0, 1]; 0 = not accepted."""
    part: str = ""
    """The parameter ``type`` of a multipart range: what its parts shall be; empty = not said."""
    transfer_syntax: str = ""
    """The parameter of that name in PS3.18 section 8.7.3.5.2; empty or * = any. Of others, none means anything here."""

    def specificity(self, media_type: str) -> int:
        """How closely this names ``media_type``: 0 not at all, 1 as anything, 2 by its kind, 3 exactly.

        An offered type may have the parameter ``type``, which a range may leave out but must not contradict. What
        DICOM there is comes in Explicit VR Little Endian.
        """
        name, _, part = media_type.partition("; type=")
        kind, _, subtype = name.partition("/")
        if (self.kind, self.subtype) == ("*", "*"):
            return 1
        if self.kind != kind or self.subtype not in ("*", subtype):
            return 0
        if self.part and self.part != part.strip('"'):
            return 0
        if self.transfer_syntax not in ("", "*", _EXPLICIT_VR_LITTLE_ENDIAN):
            return 0
        return 2 if self.subtype == "*" else 3


def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """The header's media ranges; a malformed weight counts as 0."""
    ranges = []
    for member in header.split(","):
        name, *parameters = (part.strip().lower() for part in member.split(";"))
        kind, slash, subtype = name.partition("/")
        if slash:
            part, syntax = (_parameter(parameters, name) for name in ("type", "transfer-syntax"))
            ranges.append(MediaRange(kind, subtype, _weight(parameters), part, syntax))
    return tuple(ranges)


def _parameter(parameters: Sequence[str], wanted: str) -> str:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == wanted:
            return value.strip().strip('"')
    return ""


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0.0 <= weight <= 1.0 else 0.0
    return 1.0


def choose_media_type(header: str, offered: Sequence[str]) -> str | None:
    """The offered media type that the caller wants most, None where it wants none of them.

    The closest range decides a type's weight. Of equal weights the one named more closely wins, then the one offered
    first. An empty header accepts anything.
    """
    ranges = parse_accept(header) if header.strip() else (MediaRange("*", "*", 1.0),)
    best: tuple[float, int] = (0.0, 0)
    chosen = None
    for media_type in offered:
        closest = max(ranges, key=lambda r: (r.specificity(media_type), r.q), default=None)
        if closest is None or not (specificity := closest.specificity(media_type)):
            continue
        if closest.q > 0.0 and (closest.q, specificity) > best:
            best, chosen = (closest.q, specificity), media_type
    return chosen
