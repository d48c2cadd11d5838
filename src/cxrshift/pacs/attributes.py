"""Attributes of a header that a stranger wrote, as text that can be written again. Call within ``reading``."""

from __future__ import annotations

import re

from pydicom import config
from pydicom.dataset import FileDataset
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

_CHECKED = ("AS", "CS", "DA", "DS", "IS", "TM")
"""VRs with a form of their own: a value that breaks it is left out, for no reader could use it. Text stays as it is."""


def value_of(header: FileDataset, keyword: str) -> str | list[str]:
    """The attribute as text, or as several; empty where it is absent or breaks the form of its VR."""
    if keyword not in header:
        return ""
    element = header[keyword]
    many = list(element.value) if isinstance(element.value, MultiValue | list) else [element.value]
    words = [str(word if word is not None else "").strip("\0 ") for word in many]
    if element.VR in _CHECKED:
        words = [word for word in words if _is_valid(element.VR, word)]
    if not words:
        return ""
    return words[0] if len(words) == 1 else words


def _is_valid(vr: str, word: str) -> bool:
    try:
        validate_value(vr, word, config.RAISE)
    except ValueError:
        return False
    return True


def text_of(header: FileDataset, keyword: str) -> str:
    """The attribute's first value as text; empty as ``value_of`` has it."""
    value = value_of(header, keyword)
    return value if isinstance(value, str) else value[0]


def uid_of(header: FileDataset, keyword: str) -> str:
    """A UID that can be repeated, if not always one that the standard would allow; else nothing."""
    uid = text_of(header, keyword)
    return uid if re.fullmatch(r"[0-9.]{1,64}", uid) else ""
