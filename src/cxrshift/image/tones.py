"""The grayscale pipeline of DICOM PS3.4 N.2: stored value, modality transform, VOI transform, presentation.

Every step acts on single values, so a whole picture needs only a table of what each stored value becomes. Steps that
a file states in a way the standard forbids (a slope of 0, a window of no width) count as not stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]

_TABLE_LENGTH = 1 << 16
_BLOCK_ROWS = 256


@dataclass(frozen=True)
class Lut:
    """A look-up table (PS3.3 C.11.1.1 and C.11.2.1.1)."""

    first: int
    """The input, in units of what goes in, up to which ``values[0]`` holds."""
    values: Values
    """(K,) float64: the entries, for inputs that rise by 1."""

    def __call__(self, x: Values) -> Values:
        """The entries for inputs ``x``, of any shape, in one of the same shape; beyond the ends, the end entries."""
        index = np.clip(np.rint(x) - self.first, 0, len(self.values) - 1)
        return np.asarray(self.values[index.astype(np.int64)])


@dataclass(frozen=True)
class Rescale:
    """A linear modality transform, ``slope * x + intercept``."""

    slope: float = 1.0
    """Units of the modality for each step of the stored value, other than 0."""
    intercept: float = 0.0
    """Units of the modality at the stored value 0."""

    def __call__(self, x: Values) -> Values:
        """The inputs ``x``, of any shape, in the modality's own units and of the same shape."""
        return x * self.slope + self.intercept


@dataclass(frozen=True)
class Window:
    """A VOI window (PS3.3 C.11.2.1.2 and C.11.2.1.3); ``function`` is LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    """Middle of the window, in units of what goes in."""
    width: float
    """Width of the window in the same units: at least 1 for LINEAR, above 0 for the others."""
    function: str = "LINEAR"

    def __call__(self, x: Values) -> Values:
        """The inputs ``x``, of any shape, on [0, 1] and of the same shape."""
        if self.function == "SIGMOID":
            # Beyond these ends a double is 0 or 1 already; without them exp overflows.
            return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (x - self.center) / self.width, -700.0, 700.0))))
        if self.function == "LINEAR_EXACT":
            return np.asarray(np.clip((x - self.center) / self.width + 0.5, 0.0, 1.0))
        if self.width == 1.0:
            return np.asarray(np.where(x <= self.center - 0.5, 0.0, 1.0))
        return np.asarray(np.clip((x - (self.center - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0))


@dataclass(frozen=True)
class Tones:
    """How a file wants its stored grey values shown."""

    bits: int
    """Bits stored, 1 to 32."""
    signed: bool = False
    """Whether a stored value may be negative."""
    padding: tuple[int, int] | None = None
    """Lowest and highest stored value, inclusive and in stored units, that stand for no image at all."""
    modality: Lut | Rescale = Rescale()
    """The modality transform."""
    voi: Lut | Window | None = None
    """The VOI transform; None = none is stated."""
    inverse: bool = False
    """True where the largest value is meant to be darkest: MONOCHROME1, or a presentation LUT of shape INVERSE."""


def render(stored: NDArray[Any], tones: Tones) -> NDArray[np.float32]:
    """``stored`` (H, W), of any integer type, as (H, W) float32 in [0, 1], dark to bright.

    0 and 1 are the ends of the VOI transform: of the window, or of the values that the VOI LUT holds (its stated bit
    depth is often wrong). Without one, or with a window in which this picture has no contrast, they are

    - up to 8 bits, the ends of the stored range: such pictures were made for display, and equal their PNG and JPEG
      copies this way;
    - above, the darkest and the brightest value present: a detector's values fill a part of their range that the
      exposure chooses, and a model must not see the exposure. Extremes rather than percentiles, because lead markers
      and collimated borders are the ends of a radiograph's scale, not outliers of it.

    Padding becomes 0 and has no say in the scale. A picture of a single value, without a VOI transform, becomes 0.
    """
    hidden = _padding(stored, tones)
    shown = stored if hidden is None else stored[~hidden]
    if shown.size == 0:
        return np.zeros(stored.shape, np.float32)
    low, high = int(shown.min()), int(shown.max())
    curve = _Curve(tones, low, high)
    pixels = _apply(curve, stored, low, high)
    if hidden is not None:
        pixels[hidden] = 0.0
    return pixels


class _Curve:
    """The whole map from stored value to [0, 1] for a picture whose values lie in [low, high]."""

    def __init__(self, tones: Tones, low: int, high: int) -> None:
        self._modality = tones.modality
        self._inverse = tones.inverse
        self._voi = tones.voi
        ends = self._modality(np.linspace(low, high, min(high - low + 1, _TABLE_LENGTH)).round())
        if isinstance(self._voi, Window) and high > low and np.ptp(self._voi(ends)) == 0.0:
            self._voi = None
        if isinstance(self._voi, Window):
            self._darkest, self._brightest = 0.0, 1.0
            return
        if isinstance(self._voi, Lut):
            ends = self._voi.values
        elif tones.bits <= 8:
            half = 1 << (tones.bits - 1)
            ends = self._modality(np.array([-half, half - 1] if tones.signed else [0, 2 * half - 1], np.float64))
        self._darkest, self._brightest = float(ends.min()), float(ends.max())

    def __call__(self, stored: Values) -> Values:
        values = self._modality(stored)
        if self._voi is not None:
            values = self._voi(values)
        if self._brightest == self._darkest:
            return np.zeros_like(values)
        unit = np.clip((values - self._darkest) / (self._brightest - self._darkest), 0.0, 1.0)
        return 1.0 - unit if self._inverse else unit


def _padding(stored: NDArray[Any], tones: Tones) -> NDArray[np.bool_] | None:
    if tones.padding is None:
        return None
    hidden = (stored >= tones.padding[0]) & (stored <= tones.padding[1])
    return hidden if hidden.any() else None


def _apply(curve: _Curve, stored: NDArray[Any], low: int, high: int) -> NDArray[np.float32]:
    """``curve`` on each value of ``stored``; values outside [low, high] are padding and may become anything."""
    table = curve(np.arange(low, high + 1, dtype=np.float64)) if high - low < _TABLE_LENGTH else None
    pixels = np.empty(stored.shape, np.float32)
    for top in range(0, len(stored), _BLOCK_ROWS):  # the wide numbers for a few rows at a time
        block = np.clip(stored[top : top + _BLOCK_ROWS], low, high)
        pixels[top : top + _BLOCK_ROWS] = (
            curve(block.astype(np.float64)) if table is None else table[block.astype(np.int64) - low]
        )
    return pixels
