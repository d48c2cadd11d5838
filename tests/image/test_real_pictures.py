"""The original PNG and JPEG files of real radiographs look like the reduced copies made of them elsewhere."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from cxrshift.image.decode import decode_radiograph


def test_every_original_is_accepted_and_correlates_with_its_copy(shared_data: Path) -> None:
    with (shared_data / "cxr_original/originals.csv").open(newline="") as table:
        rows = list(csv.reader(table))[1:]
    assert len(rows) == 60
    for original, copy, *_ in rows:
        radiograph = decode_radiograph((shared_data / "cxr_original" / original).read_bytes())
        with Image.open(shared_data / "cxr" / copy) as image:
            expected = np.asarray(image.convert("L"), np.float32) / 255
        height, width = expected.shape
        reduced = Image.fromarray(radiograph.pixels).resize((width, height), Image.Resampling.LANCZOS)
        found = np.asarray(reduced)
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995, original
        assert np.abs(found - expected).mean() < 0.01, original
