"""Ribs, clavicles, scapulae, humeri and spine."""

from __future__ import annotations

import numpy as np

from .anatomy import LEFT, RIGHT, Anatomy
from .canvas import Array, Canvas, ellipse, smooth_curve, stroke


def draw_bones(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas, cage: Array) -> Array:
    """Attenuation (S, S) of all bones; ``cage`` (S, S) is the signed depth inside the rib cage."""
    bone = _draw_ribs(rng, anatomy, canvas, cage) + _draw_spine(rng, anatomy, canvas)
    for side in (RIGHT, LEFT):
        bone = np.maximum(bone, _draw_clavicle(rng, anatomy, canvas, side)) + _draw_shoulder(rng, anatomy, canvas, side)
    return np.asarray(bone, dtype=np.float32)


def _tube(phase: Array, half: float) -> Array:
    """A hollow tube seen from the side: bright cortex at its edges; ``phase`` is the distance to its axis."""
    r = np.clip(np.abs(phase) / half, 0.0, 1.4)
    inside = np.clip((1.18 - r) / 0.36, 0.0, 1.0)
    return np.asarray(inside * (0.62 + 0.38 * r**3), dtype=np.float32)


def _draw_ribs(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas, cage: Array) -> Array:
    """Posterior ribs slope down and outwards, anterior ones down and inwards, fading into cartilage.

    All ribs of a kind are one periodic function of a bent height, so that they cost one evaluation.
    """
    x, y = canvas.x, canvas.y
    u = np.abs(x) / anatomy.cage_width
    wobble = 0.012 * np.sin(2.2 * y + 3.0 * x * rng.uniform(0.5, 1.0) + rng.uniform(0, 6))
    lean = np.where(x < 0, 0.0, rng.uniform(-0.03, 0.03))
    fan = 1.0 + 0.30 * np.clip(y - anatomy.apex, 0, 1.6)
    posterior = y + wobble + lean - anatomy.rib_slope * (0.9 * u**2.2 - 0.25 * np.sin(np.pi * np.clip(u, 0, 1))) * fan
    anterior = y + wobble - lean + 0.42 * (np.clip(u, 0, 1.1) - 1.0) * fan - 0.12 * (1 - u) ** 2
    pitch = anatomy.rib_pitch
    bands = []
    for height, phase, half in ((posterior, anatomy.rib_phase, 0.21), (anterior, anatomy.rib_phase + 0.4, 0.24)):
        cycle = height / pitch * (1.0 - 0.10 * height) + phase
        bands.append(_tube(np.asarray(cycle - np.round(cycle), dtype=np.float32), half))
    inside = canvas.cover(cage + 0.055, 0.03) * np.clip((0.92 - y) / 0.25, 0, 1)
    back = bands[0] * np.clip(u / 0.15, 0.35, 1.0)
    front = 0.75 * bands[1] * np.clip((u - 0.38) / 0.25, 0, 1) * canvas.cover(y - anatomy.apex - 0.22, 0.2)
    # Ribs run along the ray where the cage turns: there they look densest.
    rim = 1.0 + 0.5 * np.exp(-np.abs(cage - 0.005) / 0.04)
    edge = 0.5 * np.exp(-(((cage + 0.02) / 0.02) ** 2)) * canvas.cover(y - anatomy.apex + 0.06, 0.1)
    return np.asarray(anatomy.rib_density * inside * ((back + front) * rim + edge), dtype=np.float32)


def _draw_spine(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas) -> Array:
    """Vertebral bodies with their discs and pedicles, and the transverse processes beside them."""
    x, y = canvas.x, canvas.y
    bend = 0.02 * np.sin(1.6 * y + rng.uniform(0, 6))
    offset = x - bend
    cycle = (y / (anatomy.rib_pitch * 0.92) + anatomy.rib_phase) * (1.0 - 0.06 * y)
    disc = np.abs(cycle - np.round(cycle))
    half = 0.085 + 0.015 * y
    column = canvas.cover(np.asarray(half - np.abs(offset), dtype=np.float32), 0.03)
    cortex = np.exp(-(((np.abs(offset) - half) / 0.014) ** 2))
    process = np.exp(-((offset / 0.022) ** 2)) * (disc > 0.18)
    level = 0.075 + 0.045 * np.clip((disc - 0.10) / 0.10, 0, 1)
    return np.asarray(column * level + 0.03 * cortex + 0.03 * process, dtype=np.float32)


def _draw_clavicle(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas, side: int) -> Array:
    """A collar bone from the sternum to the shoulder, gently S-shaped."""
    inner = anatomy.apex + anatomy.clavicle_drop + rng.uniform(-0.02, 0.02)
    outer = inner - anatomy.clavicle_tilt
    points = [
        (0.085, inner + 0.02),
        (0.24, inner - 0.01),
        (0.44, (inner + outer) / 2 - 0.02),
        (0.70, outer - 0.05),
        (0.88, outer),
    ]
    distance = stroke(canvas, smooth_curve([(side * px, py) for px, py in points], 16), 0.12)
    half = 0.033 + 0.010 * np.clip(0.3 - np.abs(canvas.x), 0, 0.3) / 0.3
    return np.asarray(0.15 * _tube(np.asarray(distance / half, dtype=np.float32), 1.0), dtype=np.float32)


def _draw_shoulder(rng: np.random.Generator, anatomy: Anatomy, canvas: Canvas, side: int) -> Array:
    """The blade's borders and the head and shaft of the humerus."""
    top = anatomy.apex + 0.14
    out = anatomy.cage_width + rng.uniform(-0.02, 0.05)
    blade = [
        (out - 0.06, top - 0.02),
        (out - 0.10, top + 0.30),
        (out - 0.02, top + 0.70),
        (out + 0.10, top + 0.42),
        (out + 0.18, top + 0.14),
    ]
    distance = stroke(canvas, smooth_curve([(side * px, py) for px, py in blade], 24), 0.10)
    plate = ellipse(canvas, (side * (out + 0.03), top + 0.28), (0.10, 0.36), side * 0.10)
    head = ellipse(canvas, (side * (out + 0.28), top + 0.10), (0.11, 0.12))
    shaft = ellipse(canvas, (side * (out + 0.32 + max(anatomy.arms, 0.0)), top + 0.62), (0.062, 0.58), -side * 0.08)
    humerus = np.maximum(canvas.cover(head, 0.03), canvas.cover(shaft, 0.03))
    lines = 0.05 * np.exp(-((distance / 0.016) ** 2))
    return np.asarray(lines + 0.025 * canvas.cover(plate, 0.04) + 0.14 * humerus, dtype=np.float32)
