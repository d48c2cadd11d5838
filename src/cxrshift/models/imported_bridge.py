"""From the autoencoder's pictures to what a classifier was trained on, and from its output to probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from ..core.resize import resize
from ..errors import ManifestError
from .manifest import NetworkArgument
from .rowwise import rowwise

OUTPUTS: Final = ("probability", "logit", "softmax")
"""What a classifier returns: probabilities; logits, one for each finding; or logits of classes that exclude each
other."""

_SIDES: Final = range(16, 4097)


@dataclass(frozen=True)
class Bridge:
    """A classifier's own conventions; the defaults are the autoencoder's."""

    output: str = "probability"
    """One of OUTPUTS."""
    input_size: int | None = None
    """Pixels along each side of the square that it takes; None = the autoencoder's."""
    input_range: tuple[float, float] | None = None
    """Its units of the darkest and the brightest pixel, before ``mean`` and ``std``; None = the autoencoder's."""
    channels: int = 1
    """Number of copies of the grey picture: 1, or 3 for a network made for colour."""
    mean: tuple[float, ...] = field(default=())
    """Subtracted from each channel, in units of ``input_range``; one number, or one for each channel. None given =
    0."""
    std: tuple[float, ...] = field(default=())
    """Then divides each channel, likewise; in the same units, > 0. None given = 1."""

    def pictures(self, images: Tensor, model_range: tuple[float, float]) -> Tensor:
        """``images`` (N, 1, S, S) float32 in the model's units to (N, channels, size, size) in the classifier's.

        ``model_range`` holds the model's units of the darkest and the brightest pixel.
        """
        if self.input_size is not None and self.input_size != images.shape[-1]:
            images = resize(images, self.input_size)
        if self.input_range is not None and self.input_range != model_range:
            (low, high), (own_low, own_high) = model_range, self.input_range
            images = (images - low) * ((own_high - own_low) / (high - low)) + own_low
        if self.channels > 1:
            images = images.expand(-1, self.channels, -1, -1)
        if self.mean:
            images = images - _by_channel(self.mean, images)
        if self.std:
            images = images / _by_channel(self.std, images)
        return images

    def probabilities(self, outputs: Tensor) -> Tensor:
        """What the classifier returned, ``outputs`` (N, F) float32, as probabilities (N, F) float32 in [0, 1].

        (N,) counts as (N, 1). Where the classifier says that it returns probabilities, they are left as they are.
        """
        if outputs.ndim == 1:
            outputs = outputs[:, None]
        match self.output:
            case "logit":
                return rowwise(torch.sigmoid, outputs)
            case "softmax":
                return torch.softmax(outputs, 1)
        return outputs

    def arguments(self) -> dict[str, NetworkArgument]:
        """What the manifest says of it: all that is not the default."""
        default = Bridge()
        return {name: value for name, value in vars(self).items() if value != getattr(default, name)}


def _by_channel(numbers: tuple[float, ...], images: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=images.dtype, device=images.device)[:, None, None]


def read_bridge(arguments: Mapping[str, NetworkArgument]) -> Bridge:
    """The conventions that ``networks.classifier`` states. Raises ManifestError, which says what would be right."""
    channels = _whole(arguments, "channels", range(1, 4, 2), "1 or 3") or 1
    per_channel = "one number, or an array of one for each channel"
    bridge = Bridge(
        output=str(arguments.get("output", OUTPUTS[0])),
        input_size=_whole(arguments, "input_size", _SIDES, f"a whole number from {_SIDES[0]} to {_SIDES[-1]}"),
        input_range=_interval(arguments),
        channels=channels,
        mean=_row(arguments, "mean", (1, channels), per_channel),
        std=_row(arguments, "std", (1, channels), per_channel),
    )
    if bridge.output not in OUTPUTS:
        raise _refuse("output", f"one of {', '.join(OUTPUTS)}")
    if not all(number > 0 for number in bridge.std):
        raise _refuse("std", "above 0")
    return bridge


def _whole(arguments: Mapping[str, NetworkArgument], name: str, allowed: range, rule: str) -> int | None:
    value = arguments.get(name)
    if value is None:
        return None
    if type(value) is not int or value not in allowed:
        raise _refuse(name, rule)
    return value


def _row(arguments: Mapping[str, NetworkArgument], name: str, lengths: tuple[int, ...], rule: str) -> tuple[float, ...]:
    value = arguments.get(name, ())
    if type(value) in (int, float):
        return (float(value),)  # type: ignore[arg-type]  # mypy does not narrow by type()
    if not isinstance(value, tuple) or (value and len(value) not in lengths):
        raise _refuse(name, rule)
    return value


def _interval(arguments: Mapping[str, NetworkArgument]) -> tuple[float, float] | None:
    value = _row(arguments, "input_range", (2,), "two numbers, the lower first")
    if not value:
        return None
    if len(value) != 2 or value[0] >= value[1]:
        raise _refuse("input_range", "two numbers, the lower first")
    return value[0], value[1]


def _refuse(name: str, rule: str) -> ManifestError:
    return ManifestError(f"manifest.toml: networks.classifier.{name} must be {rule}.")
