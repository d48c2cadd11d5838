"""``evaluate localisation`` and ``evaluate faithfulness`` from the command line to the files."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.cli.results import flat_row, write_results
from cxrshift.evaluation.intervals import Interval
from cxrshift.phantom import FINDINGS
from tests.cli.toy_model import make_model_folder

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder of random weights that lists the phantoms' findings."""
    return str(make_model_folder(tmp_path_factory.mktemp("models"), findings=FINDINGS))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two radiographs of noise, one held back from training and one not, each with a box."""
    for name in ("cxr", "masks"):
        (tmp_path / name).mkdir()
    for i, name in enumerate("ab"):
        buffer = io.BytesIO()
        noise = np.random.default_rng(i).integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(noise).save(buffer, "PNG")
        (tmp_path / f"cxr/{name}.png").write_bytes(buffer.getvalue())
    rows = "a.png,toys,nih-5,Effusion\nb.png,toys,nih-9,Mass\n"
    (tmp_path / "cxr/manifest.csv").write_text("file,dataset,patient_group,labels\n" + rows)
    boxes = "a.png,Effusion,hand,5,5,20,20\nb.png,Mass,hand,20,8,9,9\n"
    (tmp_path / "masks/boxes.csv").write_text("image_file,label,source,x,y,w,h\n" + boxes)
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as table:
        return list(csv.DictReader(table))


def test_localisation_prints_a_table_and_writes_the_same_numbers(toy: str, tmp_path: Path) -> None:
    printed = run("localisation", "--phantoms", "3", "-m", toy, "--out", str(tmp_path / "out"))
    rows = read_csv(tmp_path / "out/localisation.csv")
    document = json.loads((tmp_path / "out/localisation.json").read_text())
    assert [row["iou"] for row in rows] == [str(row["iou"]["value"]) for row in document["rows"]]
    first = rows[0]
    assert f"{first['method']:23}{first['cases']:>6} {float(first['iou']):6.3f}" in printed
    assert float(first["iou_low"]) <= float(first["iou"]) <= float(first["iou_high"])
    cases = read_csv(tmp_path / "out/cases.csv")
    assert len({case["sample"] for case in cases}) >= 2
    assert read_csv(tmp_path / "out/differences.csv")[-1]["finding"] == "all"
    for name in ("localisation.png", "examples.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(PNG)


def test_localisation_takes_the_held_back_patients_of_a_folder(toy: str, data: Path) -> None:
    told = [
        json.loads(run("localisation", "--masks", str(data), "-m", toy, "--split", split, "--json"))
        for split in ("test", "all")
    ]
    assert [{row["finding"] for row in one["rows"]} for one in told] == [
        {"Effusion", "all"},
        {"Effusion", "Mass", "all"},
    ]
    assert "outcomes" not in told[0]


def test_faithfulness_prints_its_tables_and_writes_them(toy: str, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--images", str(data / "cxr"), "--split", "all", "-m", toy, "--sanity-cases", "1", "--out", str(out))
    printed = run("faithfulness", *arguments)
    assert "curtailed" in printed
    assert "another radiograph" not in printed  # one case has no other to be compared with
    movement = read_csv(out / "movement.csv")
    assert movement[-1]["finding"] == "all"
    assert movement[-1]["present"] == "2"
    assert {row["method"] for row in read_csv(out / "curves.csv")} > {"latent-shift", "random"}
    assert {row["stage"] for row in read_csv(out / "sanity.csv")} == {"25%", "50%", "75%", "100%"}
    assert json.loads((out / "faithfulness.json").read_text())["realism"] == []  # of two radiographs
    for name in ("curves.png", "sanity.png"):
        assert (out / name).read_bytes().startswith(PNG)


def test_faithfulness_takes_one_dataset_or_phantoms(toy: str, data: Path) -> None:
    told = json.loads(run("faithfulness", "--phantoms", "4", "-m", toy, "--sanity-cases", "0", "--json"))
    assert told["realism"][0]["images"] == "radiographs"
    assert told["sanity"] == []
    done = CliRunner().invoke(app, ["evaluate", "faithfulness", "--images", f"{data}/cxr", "-m", toy, "--dataset", "x"])
    assert done.exit_code == 2
    assert "no image of that split and dataset" in done.output


def test_a_folder_without_tables_is_refused(toy: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "localisation", "--masks", str(tmp_path), "-m", toy])
    assert done.exit_code == 2
    assert "no readable manifest.csv" in done.output


@dataclass(frozen=True)
class Measured:
    name: str
    value: Interval
    share: float


def test_a_row_spells_out_an_interval_and_leaves_empty_what_is_no_number(tmp_path: Path) -> None:
    row = flat_row(Measured("a", Interval(0.5, 0.25, math.nan), math.nan))
    write_results(tmp_path / "new", tables={"t.csv": [row], "empty.csv": []}, documents={}, figures={})
    assert (tmp_path / "new/t.csv").read_text() == "name,value,value_low,value_high,share\na,0.5,0.25,,\n"
    assert not (tmp_path / "new/empty.csv").exists()
    with pytest.raises(TypeError):
        flat_row(Measured)
