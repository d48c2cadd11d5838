"""The pages' files: what is written by a script is what the script writes, and nothing names another origin."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

ROOT = Path(__file__).parents[2]
WEB = ROOT / "src/cxrshift/web"
FILES = sorted(path for path in WEB.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg"))


def test_the_colour_maps_are_those_of_matplotlib() -> None:
    assert (WEB / "common/colours.js").read_text() == runpy.run_path(str(ROOT / "tools/colours.py"))["colours_js"]()


def test_the_samples_are_the_phantoms_of_the_script() -> None:
    script = runpy.run_path(str(ROOT / "tools/samples.py"))
    for name, (seed, findings) in script["SAMPLES"].items():
        phantom = script["generate"](seed, findings=findings)
        with Image.open(WEB / f"samples/{name}.png") as picture:
            assert np.abs(np.asarray(picture, float) - phantom.pixels * 255).max() <= 1.0
    dicom = dcmread(WEB / f"samples/{script['DICOM']}.dcm")
    assert (dicom.Modality, str(dicom.PatientName), dicom.pixel_array.shape) == ("DX", "PHANTOM", (256, 256))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(WEB)))
def test_no_file_names_another_origin_or_runs_inline_code(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text)
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|document\.write", text)
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=", text)
