"""A healthy chest: where there is air and how dense everything else is.

A radiograph adds up attenuation along each ray. Here it is the sum of layers: the chest wall, what fills the
thorax (air or soft tissue), and bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import LEFT, RIGHT, Anatomy
from .bones import draw_bones
from .canvas import Array, Canvas, box, ellipse, smooth_noise, stroke
from .vessels import draw_vessels

CORE = 0.62
"""Attenuation of the soft tissue that takes the place of air, along a ray through the middle of the chest."""
HEART_AIR = 0.12
"""Share of the air that still lies before and behind the heart."""


@dataclass(frozen=True)
class Layers:
    """A chest before exposure; every array is (S, S) float32.

    ``wall``, ``bone`` and ``extra`` are attenuations (0 is air), ``air`` the aerated share in [0, 1], ``markings``
    the attenuation of vessels and parenchyma where there is air, ``core`` that of soft tissue where there is none.
    """

    wall: Array
    core: Array
    air: Array
    markings: Array
    bone: Array
    extra: Array

    def attenuation(self) -> Array:
        """(S, S): the total along each ray."""
        inside = (1.0 - self.air) * self.core + self.air * self.markings
        return np.asarray(self.wall + inside + self.bone + self.extra, dtype=np.float32)


@dataclass(frozen=True)
class Thorax:
    """Signed depths, > 0 within; every array is (S, S) float32.

    ``cage`` counts from the chest wall inwards, ``lungs`` from any border of a lung.
    """

    side: Array
    """-1 or 1: the side that a pixel lies on."""
    cage: Array
    above: Array
    """Height above the diaphragm."""
    lungs: Array


def cage_half_width(anatomy: Anatomy, y: Array) -> Array:
    """(...) for ``y`` (...): L(y) = W (1 - |1 - t|^p)^(1/1.7), t from 0 at the apex to 1 at the widest.

    Narrower again below. The curve is this project's own: by definition, not from a study.
    """
    t = np.clip((y - anatomy.apex) / (anatomy.widest - anatomy.apex), 0.0, None)
    upper = (1.0 - np.clip(1.0 - t, 0.0, 1.0) ** anatomy.fullness) ** (1 / 1.7)
    lower = 1.0 - 0.06 * np.clip(t - 1.0, 0.0, None) ** 2
    return np.asarray(anatomy.cage_width * upper * lower, dtype=np.float32)


def trace_thorax(anatomy: Anatomy, canvas: Canvas) -> Thorax:
    """The lungs' borders: chest wall, mediastinum and diaphragm."""
    x, y = canvas.x, canvas.y
    side = np.where(x < 0, np.float32(RIGHT), np.float32(LEFT))
    reach = np.abs(x)
    rows = np.linspace(-1.4, 1.4, 512, dtype=np.float32)
    widths = cage_half_width(anatomy, rows)
    slope = np.clip(np.gradient(widths, rows), -2.5, 2.5)  # near the apex the cage widens without bound
    depth = np.interp(y, rows, widths / np.sqrt(1 + slope**2)) - reach * np.interp(y, rows, 1 / np.sqrt(1 + slope**2))
    cage = np.minimum(depth, y - anatomy.apex)
    middle = 0.50 * anatomy.cage_width
    span = (reach - middle) / middle
    dome_y = np.where(side < 0, anatomy.dome[0], anatomy.dome[1])
    drop = np.where(side < 0, anatomy.dome_height[0], anatomy.dome_height[1])
    outer, inner = np.clip(span, 0, 1.1) ** 2, 0.35 * np.clip(-span, 0, 1) ** 2
    above = (dome_y + drop * (outer + inner) - y) * 0.85
    t = np.clip((y - anatomy.apex) / (anatomy.dome[0] - anatomy.apex), 0.0, 1.0)
    medial = anatomy.mediastinum * (0.95 + 0.25 * t) + 0.10 * np.exp(-t / 0.07)
    lungs = np.minimum(np.minimum(cage, above), reach - medial)
    return Thorax(side, *(np.asarray(a, dtype=np.float32) for a in (cage, above, lungs)))


def heart_depth(anatomy: Anatomy, canvas: Canvas, cardiothoracic: float) -> Array:
    """Signed depth (S, S), > 0 within, of the heart's silhouette: its body, its right border, its base.

    ``cardiothoracic`` is the ratio of its width to that of the chest.
    """
    width = 2.0 * anatomy.cage_width * cardiothoracic
    left, right = anatomy.heart_share * width, (1 - anatomy.heart_share) * width
    low = anatomy.dome[1] + 0.03
    high = low - anatomy.heart_height * width
    middle = (low + high) / 2
    tilt = anatomy.heart_tilt
    radius = left * 0.60
    apex = ellipse(
        canvas, (left - radius * 0.98, low - 0.40 * (low - high)), (radius * 1.08, (low - high) * 0.40), tilt
    )
    atrium = ellipse(canvas, (0.10 - right * 0.5, middle + 0.05), (right * 0.5 + 0.10, (low - high) * 0.46), 0.0)
    base = ellipse(canvas, (0.03, high + 0.10), (0.13 + 0.10 * width, 0.30), 0.15)
    return np.maximum(np.maximum(apex, atrium), base)


def draw_heart(anatomy: Anatomy, canvas: Canvas, cardiothoracic: float) -> Array:
    """Coverage (S, S) in [0, 1] of the heart; its border is soft, for it beats.

    ``cardiothoracic`` is the ratio of its width to that of the chest.
    """
    return canvas.cover(heart_depth(anatomy, canvas, cardiothoracic) + 0.008, 0.035)


def draw_layers(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas, thorax: Thorax) -> Layers:
    """The chest without its heart's share of the air taken away (``fill_heart`` does that)."""
    air = canvas.cover(thorax.lungs, 0.03) * (1.0 - 0.45 * np.exp(-np.clip(thorax.cage, 0, None) / 0.05))
    wall, core = _draw_soft_tissue(rng, anatomy, canvas, thorax)
    texture = 0.012 * smooth_noise(rng, canvas.size, 40) + 0.012 * smooth_noise(rng, canvas.size, 18)
    vessels = draw_vessels(rng, anatomy, canvas)
    markings = anatomy.haze + 0.03 + texture + anatomy.vascularity * vessels
    knob = ellipse(canvas, (anatomy.mediastinum * 0.75, anatomy.apex + 0.48), (anatomy.knob, anatomy.knob * 1.25))
    air = air * (1.0 - 0.85 * canvas.cover(knob, 0.03))
    bone = draw_bones(rng, anatomy, canvas, thorax.cage)
    extra = _draw_airways(anatomy, canvas) + _draw_bubble(rng, anatomy, canvas)
    parts = (wall, core, air, markings, bone, extra)
    return Layers(*(np.asarray(part, dtype=np.float32) for part in parts))


def _draw_soft_tissue(
    rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas, thorax: Thorax
) -> tuple[Array, Array]:
    """The wall before and behind the lungs, with shoulders, neck, arms and breasts; and the core between them."""
    x, y = canvas.x, canvas.y
    outer = anatomy.cage_width + anatomy.wall
    rows = np.array([-1.6, -1.05, -0.92, -0.80, -0.60, -0.35, -0.05, 0.4, 1.6], dtype=np.float32)
    widths = np.array([0.20, 0.24, 0.38, 0.66, 1.00, 1.02, outer + 0.02, outer, outer + 0.04], dtype=np.float32)
    trunk = np.interp(y, rows, widths) - np.abs(x)
    body = canvas.cover(np.asarray(trunk, dtype=np.float32), 0.03)
    thickness = np.sqrt(np.clip(trunk, 0.0, 0.5) / 0.5)
    wall = body * (0.20 + 0.17 * thickness)
    for side in (RIGHT, LEFT):
        arm = ellipse(canvas, (side * (outer + 0.22 + anatomy.arms), 0.15), (0.20, 1.0), side * 0.06)
        wall = np.maximum(wall, canvas.cover(arm, 0.04) * (0.24 + 0.55 * np.sqrt(np.clip(arm, 0, 0.2))))
        breast = ellipse(canvas, (side * 0.42, anatomy.dome[0] - 0.10), (0.30, 0.26), side * 0.15)
        wall = wall + anatomy.breasts * canvas.cover(breast, 0.05) * canvas.cover(breast, 0.35)
    wall = wall * (1.0 + 0.05 * smooth_noise(rng, canvas.size, 5))
    below = canvas.cover(-thorax.above, 0.10)
    core = body * np.clip(trunk / 0.25, 0, 1) * (CORE + 0.05 * below)
    core = core * np.where(thorax.cage > 0, 1.0, 0.55 + 0.45 * np.exp(np.clip(thorax.cage, None, 0) / 0.10))
    return np.asarray(wall, dtype=np.float32), np.asarray(core, dtype=np.float32)


def _draw_airways(anatomy: Anatomy, canvas: Canvas) -> Array:
    """The trachea and the main bronchi: dark against the mediastinum."""
    carina = anatomy.apex + 0.60
    trachea = box(canvas, (0.005, carina - 0.55), (0.038, 0.55), 0.03, 0.0)
    right = stroke(canvas, np.array([[0.0, carina - 0.02], [-0.14, carina + 0.14]]), 0.1)
    left = stroke(canvas, np.array([[0.0, carina - 0.02], [0.17, carina + 0.11]]), 0.1)
    bronchi = canvas.cover(np.asarray(0.024 - np.minimum(right, left), dtype=np.float32), 0.03)
    return np.asarray(-0.11 * canvas.cover(trachea, 0.035) - 0.05 * bronchi, dtype=np.float32)


def _draw_bubble(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas) -> Array:
    """Gas in the stomach under the left dome, and some in the bowel."""
    if anatomy.bubble == 0.0:
        return np.zeros_like(canvas.x)
    centre = (0.36 + rng.uniform(-0.06, 0.08), anatomy.dome[1] + 0.07 + anatomy.bubble)
    gas = ellipse(canvas, centre, (anatomy.bubble * 1.7, anatomy.bubble), rng.uniform(-0.3, 0.3))
    return np.asarray(-0.24 * canvas.cover(gas, 0.03), dtype=np.float32)
