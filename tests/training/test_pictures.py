"""Reading pictures: what is known of each, whose they are, and what is said of a folder that is not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxrshift.training.failures import PicturesError
from cxrshift.training.picture_folder import Source, read_folder
from cxrshift.training.pictures import PictureSet
from cxrshift.training.splits import Split
from cxrshift.training.xrv_pictures import from_xrv, open_xrv
from tests.training.picture_folders import COLUMNS, SIDE, make_folder, write_table


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def pictures(images: Path) -> PictureSet:
    source = Source(images, SIDE, masks=images.parent / "masks")
    return read_folder(source, cache=images.parent / "cache", workers=1)


def test_no_patient_is_in_two_splits_and_no_picture_is_lost(pictures: PictureSet) -> None:
    parts = [pictures.part(split) for split in Split]
    groups = [set(part.groups) for part in parts]
    assert not groups[0] & groups[1]
    assert not groups[1] & groups[2]
    assert not groups[0] & groups[2]
    assert sum(map(len, parts)) == len(pictures) == 120
    assert all(part.groups.count(group) == 2 for part in parts for group in part.groups)  # both pictures of a patient


def test_labels_and_maps_say_what_the_tables_say(pictures: PictureSet) -> None:
    assert pictures.findings == ("Effusion", "Mass")
    assert pictures.labels[:3].tolist() == [[1, 0], [1, 1], [0, 0]]
    assert pictures.maps[0, 0].tolist() == [[0] * 4, [0] * 4, [255, 0, 0, 0], [255, 0, 0, 0]]
    assert pictures.mapped[:3].tolist() == [[True, True], [True, False], [True, True]]  # the Mass has no mask
    assert pictures.images[0, 20, 3] == 230


def test_an_empty_cell_is_unknown_and_such_pictures_serve_no_classifier(tmp_path: Path, images: Path) -> None:
    rows = [("0.png", "a", "", "p1", ""), ("1.png", "b", "", "p2", "Mass"), ("2.png", "b", "", "p3", "No Finding")]
    for name, *_ in rows:
        (tmp_path / name).write_bytes((images / name).read_bytes())
    write_table(tmp_path / "manifest.csv", COLUMNS, rows)
    read = read_folder(Source(tmp_path, SIDE), cache=tmp_path / "cache", workers=1)
    assert read.labels.isnan().flatten().tolist() == [True, False, False]
    assert read.of_findings(["Mass"]).groups == ("p2", "p3")
    only = read_folder(Source(tmp_path, SIDE, datasets=("b",)), cache=tmp_path / "cache", workers=1)
    assert only.groups == ("p2", "p3")


def test_pictures_come_from_the_cache_until_one_changes(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, patients=2)
    told: list[int] = []

    def read() -> PictureSet:
        return read_folder(
            Source(folder, SIDE), cache=tmp_path / "cache", workers=1, progress=lambda done, total: told.append(done)
        )

    first = read()
    assert told == [1, 2, 3, 4]
    assert read().digest() == first.digest()
    assert len(told) == 4
    Image.fromarray(np.zeros((40, 32), dtype=np.uint8)).save(folder / "0.png")
    assert read().digest() != first.digest()
    assert len(told) == 8


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,labels\n1.png,Mass\n", "lacks the column patient_group or patient"),
        ("file,patient\n1.png,secret\n", "lacks the column labels"),
        ("file,labels,patient\n", "has no rows"),
        ("file,labels,patient\nsecret.png,Mass,p\n", "Line 2 of manifest.csv: its file is not there"),
        ("file,labels,patient\nbroken.png,Mass,p\n", "Line 2 of manifest.csv: a file does not decode"),
        ("file,labels,patient,dataset\n1.png,Mass,,a\n", "Line 2 of manifest.csv names no file or no patient"),
        ("file,labels,patient,dataset\n1.png,Mass,p,other\n", "has no dataset a; it has other"),
    ],
)
def test_a_folder_that_is_not_right_is_refused_without_naming_a_patient(
    tmp_path: Path, table: str, message: str
) -> None:
    (tmp_path / "broken.png").write_bytes(b"secret")
    (tmp_path / "manifest.csv").write_text(table, "utf-8")
    datasets = ("a",) if "dataset" in table else ()
    with pytest.raises(PicturesError, match=message) as caught:
        read_folder(Source(tmp_path, SIDE, datasets), cache=tmp_path, workers=1)
    assert "secret" not in str(caught.value)


def test_what_cannot_be_chosen_is_said(tmp_path: Path, images: Path, pictures: PictureSet) -> None:
    with pytest.raises(PicturesError, match="No label names Hernia; there are Effusion, Mass"):
        pictures.of_findings(["Hernia"])
    with pytest.raises(PicturesError, match="multiple of 16"):
        read_folder(Source(images, 40), cache=tmp_path, workers=1)
    alone = read_folder(Source(make_folder(tmp_path, patients=1), SIDE), cache=tmp_path, workers=1)
    (own,) = set(alone.splits)
    with pytest.raises(PicturesError, match="No picture falls into the split"):
        alone.part(next(split for split in Split if split is not own))


def test_a_dataset_class_of_torchxrayvision_gives_the_same_kind_of_set(tmp_path: Path) -> None:
    """NIH_Dataset itself, over pictures that its own table of boxes knows."""
    rng = np.random.default_rng(0)
    names = ("00013118_008.png", "00014716_007.png", "00000001_000.png")  # boxes of Atelectasis on the first two
    for name in names:
        Image.fromarray(rng.integers(0, 255, (128, 128), dtype=np.uint8)).save(tmp_path / name)
    columns = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
    words = ("Atelectasis", "Atelectasis|Effusion", "No Finding")
    rows = [(n, w, p, "50", "M", "AP") for n, w, p in zip(names, words, ("7", "7", "8"), strict=True)]
    write_table(tmp_path / "table.csv", columns, rows)
    read = from_xrv(open_xrv("NIH_Dataset", tmp_path, tmp_path / "table.csv"), side=128, cache=tmp_path / "cache")
    assert read.groups == ("NIH_Dataset:7", "NIH_Dataset:7", "NIH_Dataset:8")
    column = read.findings.index("Atelectasis")
    assert read.labels[:, column].tolist() == [1, 1, 0]
    assert read.labels.nansum() == 3
    source = np.asarray(Image.open(tmp_path / names[0]))
    assert np.array_equal(read.images[0].numpy(), source)
    where = torch.nonzero(read.maps[0, column])
    low, high = where.min(0).values.tolist(), where.max(0).values.tolist()
    assert (low, high) == ([8, 3], [9, 4])  # x 225 to 312 and y 547 to 626 of 1024, in places of 64


def test_a_dataset_that_is_not_there_is_refused_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match=r"it has .*NIH_Dataset"):
        open_xrv("Secret_Dataset", tmp_path, None)
    with pytest.raises(PicturesError, match="NIH_Dataset cannot be opened"):
        open_xrv("NIH_Dataset", tmp_path / "absent", None)


def test_the_real_radiographs_are_read_and_split_by_patient(shared_data: Path, tmp_path: Path) -> None:
    table = (shared_data / "cxr/manifest.csv").read_text("utf-8").splitlines()
    chosen = [table[0], *[line for line in table if ",NIH ChestX-ray14," in line][::80]]
    (tmp_path / "manifest.csv").write_text("\n".join(chosen) + "\n", "utf-8")
    for line in chosen[1:]:
        name = line.partition(",")[0]
        (tmp_path / name).symlink_to(shared_data / "cxr" / name)
    source = Source(tmp_path, 128, ("NIH ChestX-ray14",), shared_data / "masks")
    read = read_folder(source, cache=tmp_path / "cache", workers=1)
    assert len(read) == len(chosen) - 1 >= 30
    assert all(name.isidentifier() for name in read.findings)
    assert bool((read.maps.flatten(2).amax(2)[read.mapped & (read.labels == 1)] > 0).all())
