"""UIDs that follow from what an object is, so that making it twice makes the same object, not a duplicate."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict

from pydicom.uid import UID

from cxrshift_api.types import Explanation

_NAMESPACE = uuid.UUID("7a593746-3de8-43bf-b895-75a3d66bd457")
"""Chosen once at random. It must never change: every UID ever given out hangs on it."""


def derive_uid(*words: str) -> UID:
    """The UID of what ``words`` name: 2.25 and the decimal of a name-based UUID (PS3.5 B.2, RFC 9562 section 5.5)."""
    # As JSON, no two lists of words read the same.
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, json.dumps(words)).int}")


IMPLEMENTATION_UID = derive_uid("implementation")
DEVICE_UID = derive_uid("device")


_IDLE = ("findings", "saliency", "least_frames")


def name_work(explanation: Explanation) -> tuple[str, ...]:
    """Model, version and settings: with the radiograph and the finding, all that an explanation depends on.

    Which other findings and maps were asked for beside it, and how few frames would have done, makes no difference to
    it, and none here.
    """
    receipt = explanation.receipt
    settings = {name: value for name, value in asdict(receipt.options).items() if name not in _IDLE}
    if settings["source_frame"] == 1:
        del settings["source_frame"]  # results of single images keep the UIDs that they had before there was a choice
    return receipt.model, receipt.model_version, json.dumps(settings, sort_keys=True)
