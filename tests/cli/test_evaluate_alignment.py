"""``evaluate alignment`` from the command line to the files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.phantom import FINDINGS
from tests.cli.toy_model import make_model_folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder of random weights that lists the phantoms' findings."""
    return str(make_model_folder(tmp_path_factory.mktemp("models"), findings=FINDINGS))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["evaluate", "alignment", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_matrix_is_printed_and_written(toy: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = run("--phantoms", "3", "-m", toy, "--cases", "all", "--smallest-move", "0.001", "--out", str(out))
    with (out / "alignment.csv").open(newline="") as table:
        cells = list(csv.DictReader(table))
    document = json.loads((out / "alignment.json").read_text())
    assert [float(cell["relative"]) for cell in cells] == [cell["relative"]["value"] for cell in document["cells"]]
    assert document["findings"] == list(FINDINGS)
    assert len(cells) % len(FINDINGS) == 0
    first = [cell for cell in cells if cell["finding"] == cells[0]["finding"]]
    line = next(line for line in printed.splitlines() if line.startswith(cells[0]["finding"]))
    numbers = [float(word.strip("[]*")) for word in line[18:].split()[1:]]
    own = [cell["change"] if cell["other"] == cell["finding"] else cell["relative"] for cell in first]
    assert numbers == pytest.approx([float(number) for number in own], abs=0.0051)
    assert (out / "alignment.png").read_bytes().startswith(b"\x89PNG")


def test_the_images_of_a_folder_are_taken_by_their_split(toy: str, tmp_path: Path) -> None:
    for i, name in enumerate("ab"):
        noise = np.random.default_rng(i).integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    rows = "a.png,toys,nih-5,Effusion\nb.png,toys,nih-9,Mass\n"
    (tmp_path / "manifest.csv").write_text("file,dataset,patient_group,labels\n" + rows)
    arguments = ("--images", str(tmp_path), "-m", toy, "--smallest-move", "0.001", "--json")
    walked = [
        {cell["finding"] for cell in json.loads(run(*arguments, "--split", split))["cells"]}
        for split in ("test", "all")
    ]
    assert walked == [{"Effusion"}, {"Effusion", "Mass"}]
    done = CliRunner().invoke(app, ["evaluate", "alignment", *arguments, "--dataset", "other"])
    assert done.exit_code == 2
    assert "no image of that split and dataset" in done.output
