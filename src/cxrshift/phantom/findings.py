"""What can be wrong with a chest: each finding changes the layers and tells exactly where it did.

Masks are (S, S) bool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .anatomy import LEFT, RIGHT, Anatomy
from .canvas import Array, Canvas, Mask, box, ellipse, smooth_curve, smooth_noise, stroke
from .chest import HEART_AIR, Layers, Thorax, draw_heart

ENLARGED_HEART = (0.56, 0.70)
"""Cardiothoracic ratio of Cardiomegaly; healthy hearts stay below 0.475."""


@dataclass(frozen=True)
class Scene:
    """A chest being drawn.

    ``anatomy`` is the patient, ``canvas`` the surface, ``thorax`` the borders of the lungs, ``layers`` what is drawn so
    far.
    """

    anatomy: Anatomy
    canvas: Canvas
    thorax: Thorax
    layers: Layers

    def with_layers(self, **changes: Array) -> Scene:
        """The same chest with some of its layers replaced."""
        return replace(self, layers=replace(self.layers, **changes))


Painter = Callable[[np.random.Generator, Scene], tuple[Scene, Mask]]
"""What paints one finding into a scene, and its mask (S, S) bool."""


def fill_heart(scene: Scene, cardiothoracic: float) -> tuple[Scene, Mask]:
    """Put the heart in: it takes away most of the air before and behind it.

    The mask (S, S) is its silhouette. ``cardiothoracic`` is the ratio of its width to that of the chest.
    """
    cover = draw_heart(scene.anatomy, scene.canvas, cardiothoracic)
    air = scene.layers.air * (1.0 - (1.0 - HEART_AIR) * cover)
    return scene.with_layers(air=np.asarray(air, dtype=np.float32)), cover > 0.5


def enlarge_heart(rng: np.random.Generator, scene: Scene) -> tuple[Scene, Mask]:
    """Cardiomegaly: the healthy heart again, at more than half the width of the chest. The mask (S, S) is all of it."""
    return fill_heart(scene, rng.uniform(*ENLARGED_HEART))


def pour_effusion(rng: np.random.Generator, scene: Scene) -> tuple[Scene, Mask]:
    """Effusion: fluid fills the costophrenic angle to a level that climbs the chest wall (the meniscus).

    The mask (S, S) is the fluid.
    """
    canvas, thorax, anatomy = scene.canvas, scene.thorax, scene.anatomy
    cover = np.zeros_like(canvas.x)
    for side in _sides(rng, both=0.25):
        dome = anatomy.dome[0 if side < 0 else 1]
        level = dome + rng.uniform(-0.28, 0.02)
        climb = rng.uniform(0.10, 0.22)
        surface = level - climb * np.exp(-np.clip(thorax.cage, 0.0, None) / 0.10)
        surface = surface + 0.01 * smooth_noise(rng, canvas.size, 8)
        cover = np.maximum(cover, canvas.cover(canvas.y - surface, 0.05) * (thorax.side == side))
    cover = cover * canvas.cover(thorax.lungs + 0.02, 0.04)
    air = scene.layers.air * (1.0 - 0.93 * cover)
    return scene.with_layers(air=np.asarray(air, dtype=np.float32)), cover > 0.5


def collapse_lung(rng: np.random.Generator, scene: Scene) -> tuple[Scene, Mask]:
    """Pneumothorax: air without markings between the chest wall and the thin line of the fallen lung's pleura.

    The mask (S, S) is that air.
    """
    canvas, thorax, anatomy = scene.canvas, scene.thorax, scene.anatomy
    (side,) = _sides(rng, both=0.0)
    depth = rng.uniform(0.13, 0.30)
    falling = np.clip((canvas.y - anatomy.apex) / (anatomy.dome[0] - anatomy.apex), 0.0, 1.0)
    wanted = depth * (1.0 - rng.uniform(0.55, 0.9) * falling**1.5) + 0.008 * smooth_noise(rng, canvas.size, 6)
    here = np.asarray(thorax.side == side, dtype=np.float32)
    inside = canvas.cover(thorax.lungs, 0.02) * here
    pocket = inside * canvas.cover(np.asarray(wanted - thorax.cage, dtype=np.float32), 0.012)
    pleura = inside * np.exp(-(((thorax.cage - wanted) / 0.010) ** 2))
    clear = -0.06
    markings = scene.layers.markings * (1.0 - pocket) + clear * pocket + 0.14 * pleura
    rest = inside * (1.0 - pocket)
    markings = markings + 0.05 * rest  # the fallen lung holds less air
    air = np.maximum(scene.layers.air, pocket * canvas.cover(thorax.lungs, 0.03))
    layers = {"markings": np.asarray(markings, dtype=np.float32), "air": np.asarray(air, dtype=np.float32)}
    return scene.with_layers(**layers), pocket > 0.5


def grow_mass(rng: np.random.Generator, scene: Scene) -> tuple[Scene, Mask]:
    """Mass: a dense, slightly lobulated ball within a lung. The mask (S, S) is the ball."""
    canvas = scene.canvas
    radius = rng.uniform(0.085, 0.15)
    centre = _place(rng, scene, clearance=radius * 0.9)
    depth = ellipse(canvas, centre, (radius, radius * rng.uniform(0.85, 1.15)), rng.uniform(0, np.pi))
    depth = depth + 0.012 * smooth_noise(rng, canvas.size, 14)
    thickness = np.sqrt(np.clip(depth / radius, 0.0, 1.0))
    cover = canvas.cover(depth, 0.03) * canvas.cover(scene.thorax.lungs + 0.02, 0.03)
    added = cover * (0.14 + rng.uniform(0.16, 0.26) * thickness)
    return scene.with_layers(extra=np.asarray(scene.layers.extra + added, dtype=np.float32)), cover > 0.5


def consolidate(rng: np.random.Generator, scene: Scene) -> tuple[Scene, Mask]:
    """Consolidation: a zone of lung, fluffy at its edges, in which fluid has replaced much of the air.

    The mask (S, S) is where it covers the lung by more than half.
    """
    canvas = scene.canvas
    centre = _place(rng, scene, clearance=0.10)
    radii = (rng.uniform(0.17, 0.27), rng.uniform(0.18, 0.32))
    depth = ellipse(canvas, centre, radii, rng.uniform(-0.6, 0.6))
    depth = depth + 0.035 * smooth_noise(rng, canvas.size, 10) + 0.02 * smooth_noise(rng, canvas.size, 22)
    cover = canvas.cover(depth, 0.14) * canvas.cover(scene.thorax.lungs, 0.03)
    cover = cover * (np.sign(centre[0]) == scene.thorax.side)
    patchy = np.clip(1.0 + 0.22 * smooth_noise(rng, canvas.size, 26), 0.4, 1.3)
    air = scene.layers.air * (1.0 - np.clip(rng.uniform(0.42, 0.65) * cover * patchy, 0.0, 0.9))
    return scene.with_layers(air=np.asarray(air, dtype=np.float32)), cover > 0.5


def implant_device(rng: np.random.Generator, scene: Scene) -> tuple[Scene, Mask]:
    """Support Device: a pacemaker with its lead, or an implanted port with its catheter.

    The mask (S, S) is device and lead or catheter.
    """
    canvas, anatomy = scene.canvas, scene.anatomy
    side = LEFT if rng.random() < 0.75 else RIGHT
    top = anatomy.apex
    can = (side * rng.uniform(0.48, 0.62), top + rng.uniform(0.24, 0.38))
    if rng.random() < 0.6:
        body = box(canvas, can, (0.105, 0.085), 0.05, rng.uniform(-0.5, 0.5))
        ends, density, half = (0.12 + rng.uniform(-0.05, 0.05), anatomy.dome[1] - 0.08), 0.55, 0.011
    else:
        body = ellipse(canvas, can, (0.06, 0.055))
        ends, density, half = (-0.09, top + rng.uniform(0.62, 0.75)), 0.42, 0.010
    path = smooth_curve([can, (side * 0.34, top + 0.16), (side * 0.12, top + 0.26), (-0.07, top + 0.52), ends], 40)
    wire = canvas.cover(half - stroke(canvas, path, 0.06), 0.012)
    cover = np.maximum(canvas.cover(body, 0.012), 0.55 * wire)
    added = scene.layers.extra + density * cover
    return scene.with_layers(extra=np.asarray(added, dtype=np.float32)), cover > 0.25


def _sides(rng: np.random.Generator, both: float) -> tuple[int, ...]:
    chosen = RIGHT if rng.random() < 0.5 else LEFT
    return (RIGHT, LEFT) if rng.random() < both else (chosen,)


def _place(rng: np.random.Generator, scene: Scene, clearance: float) -> tuple[float, float]:
    """Somewhere in a lung at least ``clearance`` from its borders, clear of the heart, or the deepest place left."""
    air, thorax, canvas = scene.layers.air, scene.thorax, scene.canvas
    seen = np.minimum(np.abs(canvas.x), 1.0 - np.abs(canvas.x))  # inside the picture
    fit = np.where((air > 0.55) & (seen > 0.03) & (np.abs(canvas.y) < 0.9), thorax.lungs, -1.0)
    inside = np.flatnonzero(fit >= min(clearance, 0.9 * float(fit.max())))
    # A fraction of the list, not an index: the same place at every size of the picture.
    chosen = inside[int(rng.random() * len(inside))]
    return float(canvas.x.flat[chosen]), float(canvas.y.flat[chosen])


PAINTERS: Mapping[str, Painter] = {
    "Cardiomegaly": enlarge_heart,
    "Consolidation": consolidate,
    "Pneumothorax": collapse_lung,
    "Effusion": pour_effusion,
    "Mass": grow_mass,
    "Support Device": implant_device,
}
"""In the order they are painted: what lies on top comes last."""
