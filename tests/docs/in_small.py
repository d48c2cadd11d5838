"""The blocks that take minutes or hours, made to take seconds: small numbers, and phantoms for a hospital's folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cxrshift.phantom import Phantom, generate
from tests.training.picture_folders import write_table

PATIENTS = 40
FINDINGS = ("Cardiomegaly", "Effusion")
"""Of the phantoms', for what the pages write as ``$FINDINGS``."""
DATASET, BOX_SOURCE = "NIH ChestX-ray14", "nih-bbox"
"""What the pages ask the tables for."""

SMALLER = (
    (r"(cxrshift train (?:autoencoder|classifier) \S+)", r"\1 --width 8 --batch 8 --steps 2"),
    (r"(cxrshift evaluate shortcut)", r"\1 --patients 24 --steps 2 --test 6"),
    (r"cxrshift serve", "cxrshift serve --rest-port 0 --grpc-port 0 --metrics-port 0"),
    (r"python -m benchmarks\.published", r"\g<0> --radiographs 1 --repeats 1"),
    (r"python -m benchmarks\.latency", r"\g<0> --calls 4"),
    (r"--(steps|runs|repeats|validate-every) \d+", r"--\1 1"),
    (r"--seconds \d+", "--seconds 1"),
    (r"--soak \d+", "--soak 24"),
    (r"--phantoms \d+", "--phantoms 6"),
)
"""Patterns of the pages' commands and what stands for them, in this order; of an option given twice the last counts."""


def in_small(text: str) -> str:
    """The block's commands with small numbers."""
    for pattern, smaller in SMALLER:
        text = re.sub(pattern, smaller, text)
    return text


def lay_out_data(folder: Path) -> dict[str, str]:
    """The folders ``images`` and ``DATA`` of the pages, in ``folder``, and the variables that the pages speak of."""
    phantoms = [generate(seed) for seed in range(PATIENTS)]
    for images in (folder / "images", folder / "DATA/cxr"):
        _write_images(images, phantoms)
    _write_masks(folder / "DATA/masks", phantoms)
    return {"FINDINGS": " ".join(f"--finding {finding}" for finding in FINDINGS)}


def _write_images(folder: Path, phantoms: Sequence[Phantom]) -> None:
    folder.mkdir(parents=True)
    rows = []
    for number, phantom in enumerate(phantoms):
        Image.fromarray((phantom.pixels * 255).round().astype(np.uint8)).save(folder / f"{number}.png")
        labels = "|".join(phantom.findings) or "No Finding"
        rows.append((f"{number}.png", DATASET, f"p{number}", f"p{number}", labels))
    write_table(folder / "manifest.csv", ("file", "dataset", "patient", "patient_group", "labels"), rows)


def _write_masks(folder: Path, phantoms: Sequence[Phantom]) -> None:
    folder.mkdir()
    masks, boxes = [], []
    for number, phantom in enumerate(phantoms):
        for finding in set(FINDINGS) & set(phantom.findings):
            mask = phantom.masks[finding]
            name = f"{number}-{finding}.png"
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / name)
            masks.append((name, f"{number}.png", finding, "phantom"))
            rows, columns = np.nonzero(mask)
            box = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
            boxes.append((f"{number}.png", finding, BOX_SOURCE, *map(str, box)))
    write_table(folder / "masks.csv", ("mask_file", "image_file", "label", "source"), masks)
    write_table(folder / "boxes.csv", ("image_file", "label", "source", "x", "y", "w", "h"), boxes)
