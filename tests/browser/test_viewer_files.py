"""What goes into the viewer and what comes out of it: each kind of file, and each download read back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import expect

from cxrshift.phantom import generate
from cxrshift.serving.stack import Stack
from cxrshift_api.json_codec import explain_reply_from_json
from cxrshift_client import Client
from tests.browser.viewer_page import ViewerPage

SAMPLES = Path(__file__).parents[2] / "src/cxrshift/web/samples"
DICOM = SAMPLES / "1-large-heart-and-effusion.dcm"


def _jpeg() -> bytes:
    file = io.BytesIO()
    Image.open(DICOM.with_suffix(".png")).save(file, "JPEG", quality=95)
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, generate(18, findings=("Cardiomegaly", "Effusion")).pixels)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("chest.dcm", DICOM.read_bytes),
        ("chest.png", DICOM.with_suffix(".png").read_bytes),
        ("chest.jpg", _jpeg),
        ("chest.npy", _npy),
        ("named-wrongly.txt", DICOM.read_bytes),
    ],
)
def test_each_kind_of_file_can_be_dropped(viewer: ViewerPage, name: str, read: Callable[[], bytes]) -> None:
    viewer.open()
    viewer.drop(name, read())
    viewer.expect_explained("Cardiomegaly")
    expect(viewer.bar("Cardiomegaly")).to_contain_text("0.9")
    assert (viewer.button("DICOM stack").is_enabled()) == (read == DICOM.read_bytes)


def test_a_file_can_be_chosen_with_the_button(viewer: ViewerPage) -> None:
    viewer.open()
    viewer.page.locator("#file").set_input_files(DICOM)
    viewer.expect_explained("Cardiomegaly")


def test_a_real_radiograph_is_explained(viewer: ViewerPage, shared_data: Path) -> None:
    viewer.open()
    viewer.drop("chest.dcm", (shared_data / "dicom/derived__chest_12bit_uncompressed.dcm").read_bytes())
    viewer.expect_explained()
    assert viewer.ink("radiograph")[0]


def test_each_download_is_what_it_says(viewer: ViewerPage, stack: Stack) -> None:
    viewer.open_sample(frames=21)
    with Image.open(io.BytesIO(viewer.download("GIF"))) as gif:
        assert (gif.format, gif.n_frames) == ("GIF", 40)  # type: ignore[attr-defined]
    with Image.open(io.BytesIO(viewer.download("WebP"))) as webp:
        assert webp.format == "WEBP"
    with av.open(io.BytesIO(viewer.download("MP4")), "r") as film:
        assert len(list(film.decode(video=0))) >= 21
    with Image.open(io.BytesIO(viewer.download("PNG"))) as png:
        assert (png.format, png.mode) == ("PNG", "RGB")
    (explanation,) = explain_reply_from_json(json.loads(viewer.download("JSON"))).explanations
    assert (explanation.finding, explanation.frames.shape) == ("Cardiomegaly", (21, 128, 128))
    frames = pydicom.dcmread(io.BytesIO(viewer.download("DICOM stack")))
    source = pydicom.dcmread(DICOM)
    assert (frames.NumberOfFrames, frames.StudyInstanceUID) == (21, source.StudyInstanceUID)
    assert pydicom.dcmread(io.BytesIO(viewer.download("DICOM overlay"))).PhotometricInterpretation == "RGB"
    assert pydicom.dcmread(io.BytesIO(viewer.download("DICOM report"))).Modality == "SR"
    with Client(stack.rest_url) as client:
        (again,) = client.explain(DICOM, findings=("Cardiomegaly",), frames=21).explanations
    assert np.array_equal(again.frames, explanation.frames)  # what is saved is what was seen
