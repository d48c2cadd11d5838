"""A phantom as a DICOM file of 2500 by 2000 pixels, however it lies: the overlay is brightest where its finding is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from cxrshift.core.engine import Engine, Order
from cxrshift.image.decode import decode_radiograph
from cxrshift.models.loader import load_model
from cxrshift.pacs.geometry import spread_map
from cxrshift.pacs.results import ObjectKind, make_objects
from cxrshift.pacs.source import read_source
from cxrshift.phantom.generator import generate
from cxrshift_api.types import ExplainOptions, Explanation
from tests.image.dicom_files import dicom_file
from tests.pacs.sources import COMPLETE, MADE_AT

ROWS, COLUMNS, ENLARGED = 2500, 2000, 4
WHITE = (1 << 12) - 1
PADDING = 0
FORMS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "a quarter turn to the left": {"turns": 1, "orientation": ["F", "R"]},
    "upside down": {"turns": 2, "orientation": ["R", "H"]},
    "a quarter turn to the right": {"turns": 3, "orientation": ["H", "L"]},
    "inverted": {"photometric": "MONOCHROME1"},
    "padded": {"padded": True},
    "turned, inverted and padded": {
        "turns": 1,
        "orientation": ["F", "R"],
        "photometric": "MONOCHROME1",
        "padded": True,
    },
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_model("phantom"))


def draw(finding: str, seed: int) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """(2500, 2000): 12-bit pixels, air above and below the square, and the finding's exact mask."""
    phantom = generate(seed, size=COLUMNS // ENLARGED, findings=[finding])
    edge = ((ROWS - COLUMNS) // 2,) * 2, (0, 0)
    block = np.ones((ENLARGED, ENLARGED), np.uint8)
    pixels = np.kron(np.clip(phantom.pixels * (WHITE - 2) + 1, 1, WHITE - 1).astype(np.uint16), block)
    return np.pad(pixels, edge, constant_values=1), np.pad(np.kron(phantom.masks[finding], block) > 0, edge)


def write(
    pixels: NDArray[np.uint16],
    *,
    turns: int = 0,
    orientation: list[str] | None = None,
    photometric: str = "MONOCHROME2",
    padded: bool = False,
) -> bytes:
    stored = np.rot90(pixels, turns)
    if photometric == "MONOCHROME1":
        stored = WHITE - stored
    attributes: dict[str, Any] = {"PhotometricInterpretation": photometric, "BitsStored": 12, "HighBit": 11}
    if padded:
        stored = stored.copy()
        stored[:, :150] = stored[:80] = PADDING
        attributes["PixelPaddingValue"] = PADDING
    attributes |= COMPLETE | {"PatientOrientation": orientation or ["L", "F"], "PixelSpacing": [0.15, 0.15]}
    return dicom_file(np.ascontiguousarray(stored), **attributes)


def explain(engine: Engine, data: bytes, finding: str) -> Explanation:
    [outcome] = engine.explain([Order(decode_radiograph(data), ExplainOptions(findings=(finding,)))]).outcomes
    assert isinstance(outcome, tuple)
    return outcome[0]


HARDEST = "turned, inverted and padded"


@pytest.mark.parametrize(
    ("finding", "form"),
    [*(("Mass", form) for form in FORMS), ("Cardiomegaly", HARDEST), ("Consolidation", HARDEST)],
)
def test_the_overlay_peaks_in_the_findings_mask_at_source_resolution(engine: Engine, finding: str, form: str) -> None:
    pixels, mask = draw(finding, seed=1)
    stored_mask = np.rot90(mask, FORMS[form].get("turns", 0))
    data = write(pixels, **FORMS[form])
    explanation = explain(engine, data, finding)
    [overlay] = make_objects(data, [explanation], kinds=[ObjectKind.OVERLAY], made_at=MADE_AT)
    image = dcmread(io.BytesIO(overlay.content)).pixel_array.astype(np.float32)
    assert image.shape[:2] == stored_mask.shape
    peak = np.unravel_index(int(hotness(image, data)[:-80].argmax()), image.shape[:2])  # above the strip
    assert stored_mask[peak], (form, peak)
    heatmap = spread_map(explanation.heatmap, read_source(data).radiograph)
    assert heatmap[peak] > 0.95 * heatmap.max()


def hotness(image: NDArray[np.float32], data: bytes) -> NDArray[np.float32]:
    """(H, W), 0 at most: how near each pixel's colour is to that of the largest change over the grey that is there."""
    radiograph = decode_radiograph(data)
    grey = 255 * radiograph.turn.undo(radiograph.pixels)[..., None]
    hottest = 255 * np.array(mpl.colormaps["inferno"](0.95)[:3], np.float32)
    return np.asarray(-np.abs(image - (0.15 * grey + 0.85 * hottest)).sum(axis=2), np.float32)


def test_the_outline_in_the_report_crosses_the_mask(engine: Engine) -> None:
    """Turned, inverted and padded: the first region's box, in source pixels, is where the finding is."""
    pixels, mask = draw("Mass", seed=1)
    form = FORMS[HARDEST]
    data = write(pixels, **form)
    [report] = make_objects(data, [explain(engine, data, "Mass")], kinds=[ObjectKind.REPORT], made_at=MADE_AT)
    found = dcmread(io.BytesIO(report.content))
    groups = found.ContentSequence[-1].ContentSequence
    [outline] = [item for item in groups[1].ContentSequence if item.ValueType == "SCOORD"]
    points = np.reshape(outline.GraphicData, (-1, 2))
    stored = np.rot90(mask, form["turns"])
    rows, columns = np.nonzero(stored)
    x, y = (points.min(axis=0) + points.max(axis=0)) / 2
    assert rows.min() <= y <= rows.max()
    assert columns.min() <= x <= columns.max()
