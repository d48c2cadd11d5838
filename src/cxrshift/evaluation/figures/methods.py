"""What each map is called and how it is drawn, the same in every figure."""

from __future__ import annotations

from typing import Final

from ..localisation_report import CENTRE, MEAN_MASK, RANDOM, TWIN

NAMES: Final = {
    "latent-shift": "Latent Shift",
    "input-gradient": "input gradient",
    "integrated-gradients": "integrated gradients",
    "guided-backpropagation": "guided backpropagation",
    RANDOM: "random map",
    CENTRE: "centred map",
    MEAN_MASK: "mean mask of others",
    TWIN: "true change",
}
COLOURS: Final = {
    "latent-shift": "#b3261e",
    "input-gradient": "#2f6690",
    "integrated-gradients": "#3a7d44",
    "guided-backpropagation": "#8a6d1d",
    RANDOM: "#a9adb3",
    CENTRE: "#a9adb3",
    MEAN_MASK: "#a9adb3",
    TWIN: "#a9adb3",
}
MARKERS: Final = {RANDOM: "x", CENTRE: "+", MEAN_MASK: "s", TWIN: "D"}
"""Of what is no method; methods are dots."""
