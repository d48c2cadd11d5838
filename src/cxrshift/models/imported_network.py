"""One network out of a file, whatever the file's format, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..core.passes import in_chunks
from ..errors import MethodError

Shape = tuple[int | None, ...]
"""Sizes that a file states for its input; None = any size in that place."""


@dataclass(frozen=True)
class Network:
    """A network that takes one tensor and returns one, float32, as its file ``source`` holds it."""

    source: str
    module: nn.Module
    """The module that runs it."""
    takes: Shape | None = None
    """Shape of its input; None = the format does not say."""


def call_in_batches(network: Network, rows: Tensor, *, batch: int | None) -> Tensor:
    """``network`` on all ``rows`` at once, or ``batch`` at a time where it was exported for that many only.

    The last batch is filled up with copies of its last row. Rows are copied first, because a network that was exported
    with an in-place activation would write into its caller's pixels. ``rows`` (N, ...) are float32, and so is the
    result (N, ...). Raises MethodError where the network returns anything but one tensor.
    """
    if batch is None:
        return _only_tensor(network, network.module(rows.clone()))
    (result,) = in_chunks(lambda part: (_only_tensor(network, network.module(part.clone())),), batch, rows)
    return result


def _only_tensor(network: Network, output: object) -> Tensor:
    if isinstance(output, dict) and len(output) == 1:
        (output,) = output.values()
    elif isinstance(output, list | tuple) and len(output) == 1:
        (output,) = output
    if not isinstance(output, Tensor):
        raise MethodError(f"{network.source} must return one tensor; export it with that output alone.")
    return output


def last_line(error: BaseException) -> str:
    """What a foreign error comes to: TorchScript's errors tell the whole way there first."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:200] if lines else type(error).__name__
