"""A classifier that reads a device must be told from one that reads the finding, first on toys where it is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from cxrshift.cli.app import app
from cxrshift.core.model import FindingSpec, Model, ModelSpec
from cxrshift.errors import MethodError
from cxrshift.evaluation.localisation import auroc
from cxrshift.evaluation.maps import METHODS
from cxrshift.evaluation.shortcut_classifiers import (
    Patients,
    World,
    draw_patients,
    encode_patients,
    score_patients,
    train_classifier,
)
from cxrshift.evaluation.shortcut_report import describe_classifier, separation
from cxrshift.evaluation.shortcut_study import Amount, device_region, energy_share, study_shortcut
from cxrshift.phantom import FINDINGS
from tests.cli.toy_model import make_model_folder

SIDE = 32
FINDING, DEVICE = (slice(4, 12), slice(4, 12)), (slice(20, 28), slice(20, 28))


class Untouched:
    """An autoencoder whose latent is the picture itself."""

    findings = ("Mass",)

    def encode(self, images: Tensor) -> Tensor:
        return images

    def decode(self, latents: Tensor) -> Tensor:
        return latents

    def score(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def model(input_range: tuple[float, float] = (-1024.0, 1024.0)) -> Model:
    spec = ModelSpec("untouched", "1", "", SIDE, input_range, (FindingSpec("Mass"),))
    return Model(spec, Untouched())


def squares(n: int, seed: int) -> Patients:
    """Noise with a faint square for the finding and a bright one, elsewhere, for the device."""
    noise = np.random.default_rng(seed).normal(100.0, 10.0, (n, 1, 1, SIDE, SIDE))
    images = np.tile(noise, (1, 2, 2, 1, 1))
    images[:, 1, :, *FINDING] += 25.0
    images[:, :, 1, *DEVICE] += 100.0
    masks = np.zeros((2, n, SIDE, SIDE), dtype=np.bool_)
    masks[0, :, *FINDING] = masks[1, :, *DEVICE] = True
    return Patients(torch.from_numpy(images.clip(0, 255).astype(np.uint8)), *masks)


def trained(world: World) -> Model:
    patients = squares(64, 1)
    latents = encode_patients(Untouched(), patients)
    return train_classifier(model(), patients, latents, world, finding="Mass", steps=80)


def test_only_the_classifier_whose_data_the_device_marks_reads_it() -> None:
    other = squares(40, 2)
    clean, marked = (describe_classifier(world, score_patients(trained(world), other)) for world in World)
    assert marked.with_finding > 0.99
    assert marked.against_finding < 0.1
    assert marked.device_alone > marked.finding_alone + 0.3
    assert clean.independent > 0.95
    assert clean.against_finding > 0.95
    assert abs(clean.device_alone - clean.neither) < 0.15


def test_a_classifier_that_reads_the_device_alone_is_described_as_such() -> None:
    row = describe_classifier(World.SHORTCUT, np.tile(np.array([[0.1, 0.9], [0.1, 0.9]], np.float32), (5, 1, 1)))
    assert (row.with_finding, row.independent, row.against_finding) == (1.0, 0.5, 0.0)
    assert (row.neither, row.device_alone, row.finding_alone, row.both) == pytest.approx((0.1, 0.9, 0.1, 0.9))


def test_the_share_is_that_of_the_maps_sum() -> None:
    heatmap, region = np.full((4, 4), 0.5, np.float32), np.zeros((4, 4), np.bool_)
    region[0] = True
    assert energy_share(heatmap, region) == 0.25
    heatmap[0, 0] = 2.0
    assert energy_share(heatmap, region) == pytest.approx(3.5 / 9.5)
    assert np.isnan(energy_share(np.zeros((4, 4), np.float32), region))


def test_the_region_of_the_device_has_a_margin_and_leaves_out_the_finding() -> None:
    device, finding = np.zeros((2, 80, 80), np.bool_)
    device[40, 40] = True
    finding[:, 41:] = True
    rows, columns = np.nonzero(device_region(device, finding))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (38, 42, 38, 40)


def test_separation_is_the_auroc_and_its_interval_stays_around_it() -> None:
    rng = np.random.default_rng(3)
    clean, shortcut = rng.normal(0.0, 1.0, 60).round(1), rng.normal(1.0, 1.0, 60).round(1)
    found = separation(list(clean), list(shortcut))
    assert found.value == pytest.approx(auroc(np.concatenate([clean, shortcut]), np.arange(120) >= 60))
    assert 0.6 < found.low < found.value < found.high < 0.95
    assert separation([0.1, 0.2], [0.3, 0.4]).value == 1.0
    assert separation([0.5, 0.5], [0.5, 0.5]).value == 0.5


def test_a_patient_is_drawn_four_times_and_only_finding_and_device_differ() -> None:
    told: list[tuple[int, int]] = []
    drawn = draw_patients(
        7, 2, finding="Mass", size=64, workers=1, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]
    assert drawn.images.shape == (2, 2, 2, 64, 64)
    pictures = drawn.images.float().numpy()
    for i in range(2):
        for changed, mask in (
            (pictures[i, 1] - pictures[i, 0], drawn.finding[i]),
            (pictures[i, :, 1] - pictures[i, :, 0], drawn.device[i]),
        ):
            assert np.abs(changed[:, mask]).mean() > 10.0
            assert np.abs(changed[:, ~mask]).mean() < 1.0


def test_what_no_device_can_mark_and_other_pixels_are_refused() -> None:
    with pytest.raises(MethodError, match="can mark Cardiomegaly"):
        study_shortcut(model(), finding="Support Device")
    patients = squares(2, 0)
    with pytest.raises(MethodError, match="1024"):
        train_classifier(model((0.0, 1.0)), patients, patients.images, World.CLEAN, finding="Mass", steps=1)


def test_the_command_prints_and_writes_the_same_numbers(tmp_path: Path) -> None:
    toy = make_model_folder(tmp_path, findings=FINDINGS)
    sizes = ("--patients", "4", "--steps", "2", "--test", "3", "--workers", "1")
    done = CliRunner().invoke(app, ["evaluate", "shortcut", "-m", str(toy), *sizes, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    with (tmp_path / "out/shortcut.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    document = json.loads((tmp_path / "out/shortcut.json").read_text())
    assert [row["method"] for row in rows] == list(METHODS)
    assert [row["auroc"] for row in rows] == [str(row["auroc"]["value"]) for row in document["methods"]]
    assert f"latent-shift                 3 {float(rows[0]['clean']):6.3f}" in done.stdout
    assert document["tested_on"] == 3
    assert (tmp_path / "out/shares.csv").read_text().count("\n") == 1 + 3 * 2 * len(METHODS)
    assert (tmp_path / "out/shortcut.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_amounts_are_those_of_the_command() -> None:
    assert Amount() == Amount(600, 600, 100, 2)
