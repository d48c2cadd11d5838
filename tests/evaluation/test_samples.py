"""Phantoms and folders as samples: masks in their place, splits kept, refusals that say why."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshift.evaluation.localisation import square_mask
from cxrshift.evaluation.samples import SamplesError, labelled_samples, masked_samples, phantom_samples
from cxrshift.training.splits import Split

MANIFEST = (
    "file,patient_group,labels\na.png,nih-5,Mass|Effusion\nb.png,nih-9,No Finding\nc.png,nih-9,Mass\n"  # test, train
)
MASKS = "mask_file,image_file,label,source\na_mask.png,a.png,Mass,hand\n"
BOXES = (
    "image_file,label,source,x,y,w,h\na.png,Mass,hand,0,0,9,9\na.png,Effusion,hand,1,2,3,4\nc.png,Mass,other,0,0,2,2\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of 16 rows and 24 columns with a manifest, one mask file and three boxes."""
    (tmp_path / "cxr").mkdir()
    (tmp_path / "masks").mkdir()
    for i, name in enumerate("abc"):
        (tmp_path / f"cxr/{name}.png").write_bytes(png(np.full((16, 24), 50 * i + 10, np.uint8)))
    mask = np.zeros((16, 24), np.uint8)
    mask[2:4, 5:7] = 255
    (tmp_path / "masks/a_mask.png").write_bytes(png(mask))
    (tmp_path / "cxr/manifest.csv").write_text(MANIFEST)
    (tmp_path / "masks/masks.csv").write_text(MASKS)
    (tmp_path / "masks/boxes.csv").write_text(BOXES)
    return tmp_path


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_mask_file_goes_before_boxes_and_a_box_covers_its_pixels(folder: Path) -> None:
    found = masked_samples(folder, ("Effusion", "Mass"))
    first, second = found
    assert (first.name, first.group, first.findings) == ("a.png", "nih-5", ("Effusion", "Mass"))
    assert np.argwhere(first.masks["Mass"]).tolist() == [[2, 5], [2, 6], [3, 5], [3, 6]]
    rows, columns = np.nonzero(first.masks["Effusion"])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 5, 1, 3)
    assert (second.name, list(second.masks)) == ("c.png", ["Mass"])


def test_split_source_and_findings_choose(folder: Path) -> None:
    assert [s.name for s in masked_samples(folder, ("Mass",), split=Split.TEST)] == ["a.png"]
    assert [s.name for s in masked_samples(folder, ("Mass",), sources=("other",))] == ["c.png"]
    with pytest.raises(SamplesError, match="sources are hand, other"):
        masked_samples(folder, ("Mass",), split=Split.VALIDATION)
    with pytest.raises(SamplesError, match="No mask or box of Hernia"):
        masked_samples(folder, ("Hernia",))


def test_a_mask_is_cropped_as_the_radiograph_is() -> None:
    mask = np.zeros((8, 12), dtype=np.bool_)
    mask[:, :3] = True  # two columns fall away on each side
    np.testing.assert_array_equal(np.argwhere(square_mask(mask, 8))[:, 1], np.zeros(8))
    assert square_mask(mask, 4).sum() == 4
    assert not square_mask(np.eye(1, 12, dtype=np.bool_).repeat(8, 0), 8).any()


def test_labels_are_those_that_the_model_knows(folder: Path) -> None:
    found = labelled_samples(folder / "cxr", ("Mass", "Effusion"))
    assert {s.name: s.findings for s in found} == {"a.png": ("Mass", "Effusion"), "b.png": (), "c.png": ("Mass",)}
    assert len(labelled_samples(folder / "cxr", (), split=Split.TRAIN, limit=1)) == 1
    with pytest.raises(SamplesError, match="names no image of that split"):
        labelled_samples(folder / "cxr", (), split=Split.VALIDATION)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("cxr/manifest.csv", "file,labels\n", "lacks the columns patient_group"),
        ("masks/boxes.csv", BOXES.replace("1,2,3,4", "1,2,3,wide"), "must be numbers"),
        ("masks/masks.csv", "\xff", "UTF-8 table"),
    ],
)
def test_a_bad_table_is_refused_with_the_reason(folder: Path, file: str, text: str, words: str) -> None:
    (folder / file).write_text(text, "latin-1")
    with pytest.raises(SamplesError, match=words):
        masked_samples(folder, ("Mass",))


def test_a_missing_table_or_picture_is_refused_with_the_reason(folder: Path) -> None:
    (folder / "cxr/a.png").write_bytes(b"GIF89a")
    found = masked_samples(folder, ("Mass",))
    with pytest.raises(SamplesError, match="does not decode"):
        found.load(0)
    (folder / "cxr/a.png").unlink()
    with pytest.raises(SamplesError, match="cannot be read"):
        found.load(0)
    (folder / "masks/a_mask.png").write_bytes(png(np.zeros((16, 16), np.uint8)))
    (folder / "cxr/a.png").write_bytes(png(np.zeros((16, 24), np.uint8)))
    with pytest.raises(SamplesError, match="as many rows"):
        found.load(0)
    (folder / "masks/masks.csv").unlink()
    (folder / "masks/boxes.csv").unlink()
    with pytest.raises(SamplesError, match="neither"):
        masked_samples(folder, ("Mass",))
    with pytest.raises(SamplesError, match=r"no readable manifest.csv"):
        labelled_samples(folder, ("Mass",))


def test_a_phantoms_change_is_what_its_finding_adds_to_the_film() -> None:
    for one in phantom_samples(6, 0):
        assert one.findings == tuple(f for f in one.masks) == tuple(one.changes)
        for finding, change in one.changes.items():
            inside = change[one.masks[finding]].mean()
            assert inside > 5 * change[~one.masks[finding]].mean(), finding


def test_the_boxes_of_real_radiographs_lie_on_the_held_back_ones(shared_data: Path) -> None:
    found = masked_samples(shared_data, ("Cardiomegaly",), sources=("nih-bbox",), split=Split.TEST)
    assert len(found) == 25
    first = found.load(0)
    assert 0.05 < first.masks["Cardiomegaly"].mean() < 0.4
