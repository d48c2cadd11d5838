"""What can go wrong with a training.

TrainingError
├── PicturesError       the folder, its tables or its images are missing or not what they must be
├── CheckpointError     a run cannot go on from what is in its folder
└── Interrupted         a signal asked for an end; a checkpoint is written
"""

from __future__ import annotations

from ..errors import CxrshiftError


class TrainingError(CxrshiftError):
    """A training cannot start, go on or come to a result."""


class PicturesError(TrainingError):
    """The folder, its tables or its images are missing or are not what they must be."""


class CheckpointError(TrainingError):
    """A run cannot go on from the checkpoint in its folder."""


class Interrupted(TrainingError):
    """A signal asked for an end; the run goes on from its checkpoint when it is started again."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(
            f"Stopped at step {step} of {steps}; a checkpoint is written. Run the same command again to go on from it."
        )
