"""From a seed to a synthetic frontal chest radiograph and the exact masks of its findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ..image.radiograph import Radiograph
from .anatomy import draw_anatomy, draw_pose
from .canvas import Array, Canvas, Mask, box
from .chest import Layers, draw_layers, trace_thorax
from .findings import PAINTERS, Scene, fill_heart

FINDINGS = ("Cardiomegaly", "Effusion", "Pneumothorax", "Mass", "Consolidation", "Support Device")
PREVALENCE = 0.2
"""Chance of each finding, independent of the others, where none are named."""
DEFAULT_SIZE = 256
"""Pixels along each side of a phantom."""


@dataclass(frozen=True)
class Phantom:
    """One synthetic radiograph. ``pixels`` (S, S) float32 in [0, 1], bone bright; ``masks`` one (S, S) bool each."""

    seed: int
    """The number, at least 0, that gives this phantom again."""
    pixels: Array
    masks: Mapping[str, Mask]

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the findings that are present."""
        return tuple(name for name in FINDINGS if name in self.masks)

    def to_radiograph(self) -> Radiograph:
        """The picture as the engine takes it."""
        return Radiograph(self.pixels)


def generate(seed: int, *, size: int = DEFAULT_SIZE, findings: Collection[str] | None = None) -> Phantom:
    """The patient of ``seed``, with ``findings`` or with those that the seed draws; always the same pixels.

    Patient, exposure and every finding draw from streams of their own: with other ``findings`` the same seed is the
    same patient on the same film, and with another ``size`` the same picture at another resolution (but for noise).
    Raises ValueError for a finding that is not in FINDINGS.
    """
    unknown = set(findings or ()) - set(FINDINGS)
    if unknown:
        raise ValueError(f"no such finding; choose from {', '.join(FINDINGS)}")
    patient, texture, exposure, choice, *streams = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(10))
    anatomy = draw_anatomy(patient)
    canvas = Canvas.posed(size, draw_pose(patient))
    thorax = trace_thorax(anatomy, canvas)
    scene = Scene(anatomy, canvas, thorax, draw_layers(texture, anatomy, canvas, thorax))
    scene, _ = fill_heart(scene, anatomy.cardiothoracic)
    drawn = {name for name in FINDINGS if choice.random() < PREVALENCE}
    wanted = drawn if findings is None else set(findings)
    masks = {}
    for (name, paint), stream in zip(PAINTERS.items(), streams, strict=True):
        if name in wanted:
            scene, masks[name] = paint(stream, scene)
    return Phantom(seed, _expose(exposure, canvas, scene.layers), masks)


def _expose(rng: np.random.Generator, canvas: Canvas, layers: Layers) -> Array:
    """Film: a sigmoid of the attenuation (its characteristic curve), a marker, collimation, scatter and noise."""
    middle, contrast = rng.uniform(0.48, 0.58), rng.uniform(4.4, 5.8)
    density = layers.attenuation()
    low, high = 1.0 / (1.0 + np.exp(contrast * middle)), 1.0 / (1.0 + np.exp(-contrast * (1.15 - middle)))
    film = (1.0 / (1.0 + np.exp(-contrast * (density - middle))) - low) / (high - low)
    film = film * rng.uniform(0.90, 1.0) + rng.uniform(0.0, 0.04)
    film = np.maximum(film, 0.92 * _draw_marker(rng, canvas))
    collimated, edge = rng.random() < 0.3, rng.uniform(0.0, 0.05, 4)
    # Noise comes last: it alone takes as many numbers as there are pixels.
    film = film + rng.uniform(0.003, 0.010) * rng.standard_normal(film.shape, dtype=np.float32)
    if collimated:
        axis = np.linspace(-1.0, 1.0, canvas.size, dtype=np.float32)
        columns = (axis > -1 + edge[0]) & (axis < 1 - edge[1])
        rows = (axis > -1 + edge[2]) & (axis < 1 - edge[3])
        film = film * (rows[:, None] & columns[None, :])
    return np.asarray(np.clip(film, 0.0, 1.0), dtype=np.float32)


def _draw_marker(rng: np.random.Generator, canvas: Canvas) -> Array:
    """A lead letter L beside the patient's left shoulder, on most films."""
    present, x, y = rng.random() < 0.6, rng.uniform(0.80, 0.90), rng.uniform(-0.90, -0.80)
    if not present:
        return np.zeros_like(canvas.x)
    upright = box(canvas, (x, y), (0.012, 0.05), 0.004, 0.0)
    foot = box(canvas, (x + 0.02, y + 0.042), (0.032, 0.010), 0.004, 0.0)
    return canvas.cover(np.maximum(upright, foot))
