"""A folder of tiny radiographs with a label table and masks, as the training commands take it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
COLUMNS = ("file", "dataset", "patient", "patient_group", "labels")


def make_folder(root: Path, *, patients: int = 60) -> Path:
    """``root``/images with two pictures a patient, and ``root``/masks for those with an Effusion.

    A third shows an Effusion, a bright block at the left edge; a third a Mass, one at the right; a third neither.
    """
    images, masks = root / "images", root / "masks"
    images.mkdir()
    masks.mkdir()
    rng = np.random.default_rng(0)
    rows, mask_rows = [], []
    for number in range(2 * patients):
        labels = ("Effusion", "Mass|Effusion", "No Finding")[number % 3]
        pixels = np.tile(np.linspace(40, 120, SIDE), (SIDE, 1)) + rng.normal(0, 6, (SIDE, SIDE))
        if "Effusion" in labels:
            pixels[16:, :8] = 230
            mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
            mask[16:, :8] = 255
            Image.fromarray(mask).save(masks / f"{number}-mask.png")
            mask_rows.append((f"{number}-mask.png", f"{number}.png", "Effusion"))
        if "Mass" in labels:
            pixels[4:12, 20:28] = 220
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(images / f"{number}.png")
        rows.append((f"{number}.png", "toys", f"p{number}", f"patient-{number // 2}", labels))
    write_table(images / "manifest.csv", COLUMNS, rows)
    write_table(masks / "masks.csv", ("mask_file", "image_file", "label"), mask_rows)
    return images


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table with commas."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])
