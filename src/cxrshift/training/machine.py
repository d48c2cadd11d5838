"""What a training computes on."""

from __future__ import annotations

import torch

from .failures import TrainingError


def prepare(device: str, threads: int = 0) -> None:
    """Make torch ready for ``device``, with ``threads`` on the CPU (0 = its own choice), the same result each time.

    Raises TrainingError for a device that this machine does not have.
    """
    if device not in ("cpu", "cuda"):
        raise TrainingError("The device must be cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("This machine has no CUDA that torch can use; cpu always works.")
    if threads:
        torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
