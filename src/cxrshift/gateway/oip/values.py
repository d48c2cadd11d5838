"""What the protocol speaks of, whether it came as JSON, as raw bytes or as a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

Parameter: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Tensor:
    """A named array.

    ``values`` (N, ...) has the shape told and the type of the datatype told: uint8, uint16, float32, or for BYTES
    object, of bytes.
    """

    name: str
    datatype: str
    values: NDArray[Any]


@dataclass(frozen=True)
class TensorInfo:
    """What a model takes or gives under one name; -1 in a shape is any extent."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """Extents, at least 1; -1 = any."""


@dataclass(frozen=True)
class InferRequest:
    """One question in the protocol's own terms."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()
    """Names of the outputs wanted, in their order; none = all."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    model: str = ""
    version: str = ""
    """Empty = the one that is served."""
    id: str = ""
    """The caller's own name for the request, given back untouched and told to nobody else."""


@dataclass(frozen=True)
class InferReply:
    """The answer in the protocol's own terms."""

    model: str
    version: str
    id: str
    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True)
class ModelMetadata:
    """A model's versions and tensors."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True)
class ServerMetadata:
    """What this server is, and which extensions of the protocol it knows."""

    name: str
    version: str
    extensions: tuple[str, ...]
