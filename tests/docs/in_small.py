"""The blocks that take minutes or hours, made to take seconds: small numbers, and phantoms for a hospital's folders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from cxrshift.demo import to_png
from cxrshift.phantom import Phantom, generate
from cxrshift.training.splits import Split, split_of
from tests.training.picture_folders import write_table

PATIENTS = {Split.TRAIN: 44, Split.VALIDATION: 44, Split.TEST: 8}
"""How many there are: learning a model's limits needs 40 to train and 40 to validate."""
FINDINGS = ("Cardiomegaly", "Effusion")
"""Of the phantoms, for what the pages write as ``$FINDINGS``."""
DATASET, BOX_SOURCE = "NIH ChestX-ray14", "nih-bbox"
"""What the pages ask the tables for."""

SMALLER = (
    (r"(cxrshift train (?:autoencoder|classifier) \S+)", r"\1 --width 8 --batch 8 --steps 2"),
    (r"(cxrshift evaluate shortcut)", r"\1 --patients 24 --steps 2 --test 6"),
    (r"cxrshift serve", "cxrshift serve --rest-port 0 --grpc-port 0 --metrics-port 0"),
    (r"python -m benchmarks\.published", r"\g<0> --radiographs 1 --repeats 1"),
    (r"python -m benchmarks\.engine", r"\g<0> --batch 2"),
    (r"python -m benchmarks\.latency", r"\g<0> --calls 4"),
    (r"--images \S+", r"\g<0> --limit 4"),
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
    phantoms = list(_patients())
    for images in (folder / "images", folder / "DATA/cxr"):
        _write_images(images, phantoms)
    _write_masks(folder / "DATA/masks", phantoms)
    return {"FINDINGS": " ".join(f"--finding {finding}" for finding in FINDINGS)}


def _patients() -> Iterator[Phantom]:
    """Of each split as many as are wanted."""
    left = Counter(PATIENTS)
    for seed in count():
        if left[split := split_of(_patient(seed))]:
            left[split] -= 1
            yield generate(seed)
        if not left.total():
            return


def _patient(seed: int) -> str:
    return f"p{seed}"


def _write_images(folder: Path, phantoms: Sequence[Phantom]) -> None:
    folder.mkdir(parents=True)
    rows = []
    for phantom in phantoms:
        name, patient = f"{phantom.seed}.png", _patient(phantom.seed)
        (folder / name).write_bytes(to_png(phantom))
        labels = "|".join(finding for finding in FINDINGS if finding in phantom.findings) or "No Finding"
        rows.append((name, DATASET, patient, patient, labels))
    write_table(folder / "manifest.csv", ("file", "dataset", "patient", "patient_group", "labels"), rows)


def _write_masks(folder: Path, phantoms: Sequence[Phantom]) -> None:
    folder.mkdir()
    masks, boxes = [], []
    for phantom in phantoms:
        for finding in set(FINDINGS) & set(phantom.findings):
            image, name = f"{phantom.seed}.png", f"{phantom.seed}-{finding}.png"
            mask = phantom.masks[finding]
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / name)
            masks.append((name, image, finding, "phantom"))
            rows, columns = np.nonzero(mask)
            box = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
            boxes.append((image, finding, BOX_SOURCE, *map(str, box)))
    write_table(folder / "masks.csv", ("mask_file", "image_file", "label", "source"), masks)
    write_table(folder / "boxes.csv", ("image_file", "label", "source", "x", "y", "w", "h"), boxes)
