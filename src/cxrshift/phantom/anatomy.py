"""The numbers that make one patient: where the organs are and how large, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Pose

RIGHT, LEFT = -1, 1
"""Sides of the patient as signs of x: the patient's left is right in the picture."""


@dataclass(frozen=True)
class Anatomy:
    """One patient, in anatomical units (the picture is 2 wide and 2 high)."""

    cage_width: float
    """Half-width of the inside of the rib cage at its widest."""
    apex: float
    """y of the top of the lungs."""
    widest: float
    """y at which the cage is widest."""
    fullness: float
    """How quickly the lungs widen below their apex; larger is barrel-shaped."""
    dome: tuple[float, float]
    """y of the top of the right and of the left dome of the diaphragm."""
    dome_height: tuple[float, float]
    """How far each costophrenic angle lies below its dome."""
    mediastinum: float
    """Half-width of the upper mediastinum."""
    cardiothoracic: float
    """Width of the heart over the inner width of the chest: below 0.5 is normal."""
    heart_tilt: float
    """Angle of the heart's body in radians, clockwise."""
    heart_share: float
    """Share of the heart's width that lies right of the midline of the picture's right half (the patient's left)."""
    heart_height: float
    """Height of the heart over its width."""
    knob: float
    """Radius of the aortic knob."""
    wall: float
    """Thickness of the soft tissue outside the cage."""
    arms: float
    """How far the arms stand off the trunk; below 0 they hang against it."""
    breasts: float
    """Density of breast shadows, 0 for none."""
    rib_pitch: float
    """Height from one rib to the next."""
    rib_phase: float
    """Where the ribs lie within one pitch, in [0, 1)."""
    rib_slope: float
    """How far the ribs behind fall from the spine outwards."""
    rib_density: float
    """Attenuation of a rib, in units of the layers."""
    clavicle_tilt: float
    """How far a clavicle's outer end lies above its inner end."""
    clavicle_drop: float
    """How far its inner end lies below the lungs' apex."""
    bubble: float
    """Size of the gastric bubble, 0 for none."""
    haze: float
    """Density that fluid and vessels add to the lungs: 0 is clear."""
    vascularity: float
    """Strength of the vascular markings."""


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A patient of ordinary variety."""
    top = rng.uniform(0.40, 0.60)
    return Anatomy(
        cage_width=rng.uniform(0.66, 0.76),
        apex=rng.uniform(-0.84, -0.72),
        widest=rng.uniform(0.25, 0.42),
        fullness=rng.uniform(2.5, 3.4),
        dome=(top, top + rng.uniform(0.02, 0.10)),
        dome_height=(rng.uniform(0.16, 0.28), rng.uniform(0.16, 0.28)),
        mediastinum=rng.uniform(0.11, 0.145),
        cardiothoracic=rng.uniform(0.39, 0.475),
        heart_tilt=rng.uniform(0.45, 0.75),
        heart_share=rng.uniform(0.66, 0.74),
        heart_height=rng.uniform(0.86, 1.02),
        knob=rng.uniform(0.07, 0.10),
        wall=rng.uniform(0.08, 0.20),
        arms=rng.uniform(-0.05, 0.12),
        breasts=rng.uniform(0.05, 0.14) if rng.random() < 0.4 else 0.0,
        rib_pitch=rng.uniform(0.155, 0.18),
        rib_phase=rng.uniform(0.0, 1.0),
        rib_slope=rng.uniform(0.16, 0.30),
        rib_density=rng.uniform(0.06, 0.11),
        clavicle_tilt=rng.uniform(-0.02, 0.16),
        clavicle_drop=rng.uniform(0.10, 0.24),
        bubble=rng.uniform(0.06, 0.14) if rng.random() < 0.6 else 0.0,
        haze=rng.uniform(0.0, 0.05),
        vascularity=rng.uniform(0.75, 1.25),
    )


def draw_pose(rng: np.random.Generator) -> Pose:
    """A pose within what a radiographer accepts."""
    return Pose(
        angle=float(np.clip(rng.normal(0.0, 0.03), -0.08, 0.08)),
        shift_x=rng.uniform(-0.05, 0.05),
        shift_y=rng.uniform(-0.05, 0.06),
        zoom=rng.uniform(0.94, 1.10),
    )
