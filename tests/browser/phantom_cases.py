"""Twelve phantoms whose findings the embedded model calls rightly: six that it calls present, six absent."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from cxrshift.phantom import generate

CASES = {
    9000: ("Cardiomegaly", "True Negative"),
    9001: ("Cardiomegaly", "True Negative"),
    9002: ("Cardiomegaly", "True Negative"),
    9003: ("Effusion", "True Positive"),
    9004: ("Effusion", "True Negative"),
    9005: ("Effusion", "True Positive"),
    9006: ("Effusion", "True Negative"),
    9007: ("Effusion", "True Negative"),
    9008: ("Cardiomegaly", "True Positive"),
    9009: ("Cardiomegaly", "True Positive"),
    9011: ("Cardiomegaly", "True Positive"),
    9023: ("Effusion", "True Positive"),
}
"""Seed -> finding and label; ``study create`` refuses a label that the model contradicts."""


def write_cases(folder: Path) -> Path:
    """Their pictures, and the table that ``cxrshift study create`` takes."""
    table = folder / "cases.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("example", "file", "target", "label_name"))
        for seed, (finding, label) in CASES.items():
            pixels = np.round(generate(seed).pixels * 255.0).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{seed}.png")
            writer.writerow((f"phantom-{seed}", f"{seed}.png", finding, label))
    return table
