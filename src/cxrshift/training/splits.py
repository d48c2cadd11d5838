"""Which images train a model and which are held back: a rule on the patient, so that no patient is on two sides."""

from __future__ import annotations

import hashlib
from enum import StrEnum

TEST_SHARE = 0.2
"""Share of the patients that are held back."""
VALIDATION_SHARE = 0.1
"""Share of the patients that choices are made by."""


class Split(StrEnum):
    """What an image is for."""

    TRAIN = "train"
    """What the weights are learnt from."""
    VALIDATION = "validation"
    """What choices are made by: when to stop, operating points, limits."""
    TEST = "test"
    """Held back: seen by no training and by no choice that was made on its way."""


def split_of(group: str, seed: int = 0) -> Split:
    """The split of every image of ``group``, a patient or those who share a picture.

    The first 32 bits of SHA-256 of "seed:group", as a number u in [0, 1): test below 0.2, validation below 0.3, else
    train. It does not depend on which other patients there are, so a folder may grow without anyone changing sides.
    """
    u = int(hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()[:8], 16) / 2**32
    if u < TEST_SHARE:
        return Split.TEST
    return Split.VALIDATION if u < TEST_SHARE + VALIDATION_SHARE else Split.TRAIN
